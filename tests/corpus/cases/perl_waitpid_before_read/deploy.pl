# thread: https://github.com/puppetlabs/r10k/issues/265
# title: commands with more than 64 KiB of output: the tool waits for them before it reads (Ruby there)
# family: Perl, Ruby
# start: perl deploy.pl
# parent: deploy.pl
# child: git.sh
# verdict: deadlock
# stuck: git.sh write stdout
# other: deploy.pl
# line: deploy.pl
# needs: perl
use IPC::Open3;

my $pid = open3(my $in, my $out, undef, 'sh', 'git.sh');
#MEND my @lines = <$out>;
waitpid($pid, 0); # HERE
