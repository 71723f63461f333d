# thread: https://github.com/Abilityai/trinity/issues/586
# title: the reader thread is stuck after the process has ended: a setsid'd grandchild has its stdout
# family: agent SDKs
# start: python3 agent.py
# parent: agent.py
# verdict: eof_never
# stuck: agent.py read *
# other: sleep
# line: agent.py
# quick: yes
import subprocess
import threading

command = "setsid sleep 30 & echo result"  # HANG
#MEND command = "sleep 1.7; echo result"
process = subprocess.Popen(["sh", "-c", command], stdout=subprocess.PIPE)


def read_stdout():
    for line in process.stdout:  # HERE
        pass


reader = threading.Thread(target=read_stdout)
reader.start()
process.wait()
reader.join()
