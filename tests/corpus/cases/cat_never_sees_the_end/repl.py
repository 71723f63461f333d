# thread: https://github.com/janet-lang/janet/issues/881
# title: cat's stdout is read to its end while its stdin is still open: both read
# family: Python subprocess
# start: python3 repl.py
# parent: repl.py
# child: cat
# verdict: deadlock
# stuck: cat read stdin
# other: repl.py
# line: repl.py
import subprocess
import time

process = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
process.stdin.write(b"hello")
process.stdin.flush()
#MEND time.sleep(1.5)
#MEND process.stdin.close()
process.stdout.read()  # HERE
