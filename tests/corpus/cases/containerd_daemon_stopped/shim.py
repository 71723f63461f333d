# thread: https://github.com/containerd/containerd/issues/9342
# title: the daemon that takes the container's log is stopped: the pipe fills, nginx stops to answer
# family: containers
# start: python3 shim.py
# parent: nginx
# verdict: reader_stopped
# stuck: nginx write stdout
# other: containerd.py
# line: nginx.c:log_request
import os
import signal
import subprocess
import sys

daemon = subprocess.Popen([sys.executable, "containerd.py"], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE)
daemon.stdout.readline()
os.kill(daemon.pid, signal.SIGSTOP)  # HANG
container = subprocess.Popen(["./nginx"], stdout=daemon.stdin)
daemon.stdin.close()
container.wait()
