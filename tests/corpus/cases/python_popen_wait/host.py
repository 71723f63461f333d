# thread: https://github.com/localstack/localstack/pull/1101
# title: Popen(stdout=PIPE) and wait(): `cat` of a megabyte never ends
# family: Python subprocess
# start: python3 host.py
# parent: host.py
# child: dump.py
# verdict: deadlock
# stuck: dump.py write stdout
# other: host.py
# line: host.py
# quick: yes
import subprocess

process = subprocess.Popen(["./dump.py"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
process.wait()  # HANG HERE
#MEND process.communicate()
