# thread: https://github.com/muccg/yabi/issues/262
# title: a worker of the web server waits for a command whose output nobody reads: a chain of three
# family: servers
# start: python3 client.py
# parent: worker.py
# child: command.py
# verdict: deadlock
# stuck: command.py write stdout
# other: worker.py
# line: worker.py
import subprocess
import sys
import urllib.request

worker = subprocess.Popen([sys.executable, "worker.py"], stdout=subprocess.PIPE, text=True)
port = int(worker.stdout.readline())
urllib.request.urlopen("http://127.0.0.1:%d/" % port).read()
worker.kill()
