# thread: https://github.com/gptme/gptme/issues/3756
# title: `echo child-done; (sleep 30) &`: the reader waits for an end that the descendant keeps off
# family: agents' shell tools
# start: python3 shell.py
# parent: shell.py
# verdict: eof_never
# stuck: shell.py read *
# other: sleep
# line: shell.py
# quick: yes
import subprocess

#MEND command = "echo child-done; sleep 1.7"
command = "echo child-done; (sleep 30) &"  # HANG
process = subprocess.Popen(["bash", "-c", command], stdout=subprocess.PIPE)
output = process.stdout.read()  # HERE
process.wait()
