# thread: https://github.com/openSUSE/open-build-service/issues/1606
# title: scheduler and signer lock files against each other: in a cycle, as was found there
# family: file locks
# start: python3 scheduler.py
# parent: scheduler.py
# child: signer.py
# verdict: deadlock
# stuck: signer.py flock *
# other: scheduler.py
# line: scheduler.py
import fcntl
import subprocess
import sys

status = open("status", "w")
job = open("job", "w")
#MEND fcntl.flock(job, fcntl.LOCK_EX)
fcntl.flock(status, fcntl.LOCK_EX)
signer = subprocess.Popen([sys.executable, "signer.py"], stdout=subprocess.PIPE)
#MEND fcntl.flock(job, fcntl.LOCK_UN)
signer.stdout.readline()
#MEND fcntl.flock(status, fcntl.LOCK_UN)
fcntl.flock(job, fcntl.LOCK_EX)  # HERE
