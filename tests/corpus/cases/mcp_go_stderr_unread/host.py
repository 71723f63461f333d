# thread: https://github.com/mark3labs/mcp-go/issues/956
# title: a stdio MCP client takes stderr as a pipe and never reads it: the server goes quiet
# family: MCP
# start: python3 host.py
# parent: host.py
# child: server.py
# verdict: deadlock
# stuck: server.py write stderr
# other: host.py
# line: host.py
# quick: yes
import json
import subprocess
import threading

server = subprocess.Popen(["./server.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True)
#MEND threading.Thread(target=server.stderr.read, daemon=True).start()


def call(method):
    server.stdin.write(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method}) + "\n")
    server.stdin.flush()
    return json.loads(server.stdout.readline())  # HERE


for _ in range(100):
    call("tools/call")
