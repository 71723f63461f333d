# thread: https://github.com/mitogen-hq/mitogen/issues/712
# title: sporadic EAGAIN: another program has made the stdout that both share non-blocking
# family: O_NONBLOCK leaks
# start: sh job.sh
# parent: report.py
# verdict: nonblocking_shared
# stuck: report.py write stdout
# other: sibling.js
# line: report.py
# unmet: line
# needs: node
mkfifo pipe
#MEND cat <pipe >/dev/null &
sh -c 'read line; exec sleep 30' <pipe & # HANG
#MEND python3 report.py >pipe; exit
{ node sibling.js & python3 report.py; } >pipe
