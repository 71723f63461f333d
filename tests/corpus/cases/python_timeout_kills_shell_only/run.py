# thread: https://github.com/tomerfiliba/plumbum/pull/840
# title: the timeout kills the shell; communicate() goes on waiting for what the shell had started
# family: Python subprocess
# start: python3 run.py
# parent: run.py
# verdict: eof_never
# stuck: run.py read *
# other: sleep
# line: run.py
import subprocess
import threading

seconds = "30"  # HANG
#MEND seconds = "1.7"
process = subprocess.Popen(["sh", "-c", "sleep %s & wait" % seconds], stdout=subprocess.PIPE)
threading.Timer(0.2, process.kill).start()  # HANG
out, err = process.communicate()  # HERE
