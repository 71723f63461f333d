# thread: https://github.com/zeek/package-manager/issues/198
# title: stderr is read to its end first, while stdout fills
# family: Python subprocess
# start: python3 manager.py
# parent: manager.py
# child: build.sh
# verdict: deadlock
# stuck: build.sh write stdout
# other: manager.py
# line: manager.py
import subprocess

process = subprocess.Popen(["sh", "build.sh"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
errors = process.stderr.read()  # HANG HERE
output = process.stdout.read()  # HANG
#MEND output, errors = process.communicate()
