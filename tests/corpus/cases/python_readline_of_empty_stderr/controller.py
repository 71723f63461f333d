# thread: https://github.com/Mondego/SourcererCC/pull/19
# title: while stderr stays empty its readline() blocks, and stdout fills meanwhile
# family: Python subprocess
# start: python3 controller.py
# parent: controller.py
# child: search.py
# verdict: deadlock
# stuck: search.py write stdout
# other: controller.py
# line: controller.py
import subprocess
import sys

process = subprocess.Popen([sys.executable, "search.py"], stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE)
#MEND print(len(process.communicate()[0]))
#MEND raise SystemExit
while process.poll() is None:
    for stream in (process.stderr, process.stdout):
        line = stream.readline()  # HERE
