# thread: https://github.com/simonx1/ruby-mcp-client/pull/142
# title: popen3 gives three pipes, and only stdout is read (in Ruby there, here Perl's open3)
# family: MCP
# start: perl client.pl
# parent: client.pl
# child: server.py
# verdict: deadlock
# stuck: server.py write stderr
# other: client.pl
# line: client.pl
# needs: perl
use IPC::Open3;
use Symbol 'gensym';

my $err = gensym;
my $pid = open3(my $in, my $out, $err, 'python3', 'server.py');
#MEND if (!fork) { close $in; 1 while <$err>; exit }
print $in "initialize\n";
close $in;
my $answer = <$out>; # HERE
