# thread: https://github.com/ansible/ansible/pull/3991
# title: stdin is fed with 100,000 bytes before anything reads the child's output
# family: Python subprocess
# start: python3 feed.py
# parent: feed.py
# child: filter.py
# verdict: deadlock
# stuck: filter.py write stdout
# other: feed.py
# line: feed.py
# quick: yes
import subprocess

process = subprocess.Popen(["./filter.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
process.stdin.write(b"x" * 300000)  # HANG HERE
process.stdin.close()               # HANG
print(len(process.stdout.read()))   # HANG
#MEND print(len(process.communicate(b"x" * 300000)[0]))
