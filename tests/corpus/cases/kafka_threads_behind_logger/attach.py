# thread: https://github.com/moby/moby/issues/31540
# title: all threads are stuck while calling the logger's appender; one of them in write
# family: containers
# start: python3 attach.py
# parent: attach.py
# child: connect.py
# verdict: deadlock
# stuck: connect.py write stderr
# other: attach.py
# line: attach.py
import subprocess
import sys

container = subprocess.Popen([sys.executable, "connect.py"], stderr=subprocess.PIPE)
#MEND container.stderr.read()
container.wait()  # HERE
