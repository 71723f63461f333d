# thread: https://github.com/ColinEspinas/jerry/pull/34
# title: a language server that is alive but stopped no longer reads its stdin: write_all never returns
# family: LSP
# start: python3 editor.py
# parent: editor.py
# verdict: reader_stopped
# stuck: editor.py write *
# other: analyzer.py
# line: editor.py
# quick: yes
import os
import signal
import subprocess
import sys

server = subprocess.Popen([sys.executable, "analyzer.py"], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE)
server.stdout.readline()
os.kill(server.pid, signal.SIGSTOP)  # HANG
server.stdin.write(b"x" * 300000)  # HERE
server.stdin.close()
