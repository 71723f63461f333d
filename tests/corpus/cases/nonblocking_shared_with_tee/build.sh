# thread: https://github.com/mattermost/mattermost/pull/13409
# title: tee loses its output: a process of the same job has made their stdout non-blocking
# family: O_NONBLOCK leaks
# start: sh build.sh
# parent: tee
# verdict: nonblocking_shared
# stuck: tee write stdout
# other: webpack.py
# line: tee.c:copy
mkfifo pipe
#MEND cat <pipe >/dev/null &
sh -c 'read line; exec sleep 30' <pipe & # HANG
#MEND ./tee >pipe; exit
{ python3 webpack.py & ./tee; } >pipe
