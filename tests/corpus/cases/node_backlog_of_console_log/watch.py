# thread: https://github.com/nodejs/node/issues/9778
# title: Node writes to stdout without end: nothing blocks, the heap grows until it is out of memory
# family: Node streams
# start: python3 watch.py
# parent: watch.py
# child: app.js
# verdict: backlog
# stuck: app.js epoll_wait *
# other: watch.py
# line: watch.py
# needs: node
import subprocess
import threading

app = subprocess.Popen(["node", "app.js"], stdout=subprocess.PIPE)
#MEND threading.Thread(target=app.stdout.read, daemon=True).start()
app.wait()  # HERE
