# thread: https://github.com/freedomofpress/securedrop-workstation/issues/65
# title: the interface stops to read its FIFO; whoever reports progress to it hangs
# family: FIFOs
# start: python3 interface.py
# parent: interface.py
# child: submit.py
# verdict: deadlock|reader_away
# stuck: submit.py write *
# other: interface.py
# line: interface.py
import os
import subprocess
import sys

os.mkfifo("feedback")
submission = subprocess.Popen([sys.executable, "submit.py"])
feedback = open("feedback")
feedback.readline()
#MEND feedback.read()
submission.wait()  # HERE
