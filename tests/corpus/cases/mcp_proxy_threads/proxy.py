# thread: https://github.com/tbxark/mcp-proxy/pull/80
# title: a proxy has a reader of stdout only; requests and pings wait for answers that cannot come
# family: MCP
# start: python3 proxy.py
# parent: proxy.py
# child: downstream.py
# verdict: deadlock
# stuck: downstream.py write stderr
# other: proxy.py
# line: proxy.py
import queue
import subprocess
import sys
import threading

downstream = subprocess.Popen([sys.executable, "downstream.py"], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
answers = queue.Queue()


def read_responses():
    for line in downstream.stdout:  # HERE
        answers.put(line)


threading.Thread(target=read_responses, daemon=True).start()
#MEND threading.Thread(target=downstream.stderr.read, daemon=True).start()
for number in range(3):
    downstream.stdin.write(b"ping\n")
    downstream.stdin.flush()
    answers.get()
