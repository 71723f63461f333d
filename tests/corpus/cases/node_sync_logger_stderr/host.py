# thread: https://github.com/strausmann/mcp-dockhand/issues/210
# title: a logger with sync: true on fd 2 blocks a single-threaded server when nobody takes its log
# family: MCP
# start: python3 host.py
# parent: host.py
# child: server.js
# verdict: deadlock
# stuck: server.js write stderr
# other: host.py
# line: host.py
# needs: node
# quick: yes
import subprocess
import threading

server = subprocess.Popen(["node", "server.js"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE)
#MEND threading.Thread(target=server.stderr.read, daemon=True).start()
server.stdin.write(b"request\n")
server.stdin.flush()
server.stdout.readline()  # HERE
server.stdin.close()
