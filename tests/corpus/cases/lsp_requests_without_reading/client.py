# thread: https://github.com/quick-lint/quick-lint-js/pull/237
# title: a client sends many requests and does not read the answers meanwhile
# family: LSP
# start: python3 client.py
# parent: client.py
# child: linter
# verdict: deadlock
# stuck: linter write stdout
# other: client.py
# line: client.py
# quick: yes
import subprocess
import threading

server = subprocess.Popen(["./linter"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
#MEND threading.Thread(target=server.stdout.read, daemon=True).start()
for number in range(3000):
    server.stdin.write(b'{"method": "textDocument/didChange", "params": "%0100d"}\n' % number)  # HERE
server.stdin.close()
server.wait()
