# thread: https://github.com/haskell/process/issues/70
# title: readProcess of `pg_ctl start` hangs: the server that it starts inherits the pipe
# family: daemons
# start: python3 read_process.py
# parent: read_process.py
# verdict: eof_never
# stuck: read_process.py read *
# other: postgres
# line: read_process.py
import subprocess

pg_ctl = subprocess.Popen(["./pg_ctl", "start"], stdout=subprocess.PIPE)
output = pg_ctl.stdout.read()  # HERE
pg_ctl.wait()
