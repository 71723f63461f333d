# thread: https://github.com/CodeBambi/Conditioning-Control-Panel---CSharp-WPF/pull/403
# title: `ollama serve` with both pipes redirected and nobody who drains them: inference wedges
# family: LLM engines
# start: python3 setup.py
# parent: setup.py
# child: ollama.py
# verdict: deadlock
# stuck: ollama.py write stderr
# other: setup.py
# line: setup.py
import subprocess
import sys
import threading
import urllib.request

ollama = subprocess.Popen([sys.executable, "ollama.py"], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True)
#MEND threading.Thread(target=ollama.stderr.read, daemon=True).start()
port = int(ollama.stdout.readline())
urllib.request.urlopen("http://127.0.0.1:%d/api/generate" % port).read()  # HERE
ollama.kill()
