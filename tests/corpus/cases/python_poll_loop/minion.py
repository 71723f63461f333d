# thread: https://github.com/saltstack/salt/pull/9110
# title: poll() in a loop until the child ends, which it cannot: its stdout is full
# family: Python subprocess
# start: python3 minion.py
# parent: minion.py
# child: state.py
# verdict: reader_away|deadlock
# stuck: state.py write stdout
# other: minion.py
# line: minion.py
import subprocess
import sys
import time

#MEND import tempfile
process = subprocess.Popen([sys.executable, "state.py"], stdout=subprocess.PIPE)  # HANG
#MEND process = subprocess.Popen([sys.executable, "state.py"], stdout=tempfile.TemporaryFile())
while process.poll() is None:
    time.sleep(0.1)  # HERE
