# thread: https://github.com/moby/moby/issues/48890
# title: after days the main thread hangs in write(1, ...): who should take the log does not
# family: containers
# start: python3 containerd.py
# parent: containerd.py
# child: rehlds
# verdict: reader_away
# stuck: rehlds write stdout
# other: containerd.py
# line: containerd.py
import subprocess
import time

container = subprocess.Popen(["./rehlds"], stdout=subprocess.PIPE)
for number in range(10):
    container.stdout.readline()
#MEND container.stdout.read()
#MEND raise SystemExit
time.sleep(30)  # HERE
