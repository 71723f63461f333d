# thread: https://github.com/mostlygeek/llama-swap/issues/408
# title: Popen of the engine with PIPEs: after many lines of log its server does not respond any more
# family: LLM engines
# start: python3 swap.py
# parent: swap.py
# child: engine.py
# verdict: deadlock
# stuck: engine.py write stderr
# other: swap.py
# line: swap.py
# quick: yes
import subprocess
import sys
import threading
import urllib.request

engine = subprocess.Popen([sys.executable, "engine.py"], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True)
#MEND threading.Thread(target=engine.stderr.read, daemon=True).start()
port = int(engine.stdout.readline())
for number in range(100):
    urllib.request.urlopen("http://127.0.0.1:%d/completion" % port).read()  # HERE
engine.kill()
