# thread: https://github.com/python/mypy/issues/961
# title: a runner waits for whichever task ends first, and reads its pipe only then
# family: Python subprocess
# start: python3 waiter.py
# parent: waiter.py
# child: task.py
# verdict: deadlock
# stuck: task.py write stdout
# other: waiter.py
# line: waiter.py
import os
import subprocess
import sys

import tempfile
#MEND stdout = tempfile.TemporaryFile()
stdout = subprocess.PIPE  # HANG
tasks = [subprocess.Popen([sys.executable, "task.py"], stdout=stdout) for _ in range(2)]
for task in tasks:
    os.wait()  # HERE
