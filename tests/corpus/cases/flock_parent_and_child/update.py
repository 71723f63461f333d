# thread: https://github.com/GreptimeTeam/greptimedb/issues/7692
# title: the parent holds a lock and waits for its child, which needs the same lock (here a file's)
# family: file locks
# start: python3 update.py
# parent: update.py
# child: migrate.py
# verdict: deadlock
# stuck: migrate.py flock *
# other: update.py
# line: update.py
# quick: yes
import fcntl
import subprocess
import sys

lock = open("lock", "w")
fcntl.flock(lock, fcntl.LOCK_EX)
#MEND fcntl.flock(lock, fcntl.LOCK_UN)
subprocess.run([sys.executable, "migrate.py"])  # HERE
