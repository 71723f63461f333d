# thread: https://github.com/edouard-claude/snip/issues/120
# title: a recipe leaves `sleep &` behind: whoever captures make's output waits for that
# family: make
# start: python3 snip.py
# parent: snip.py
# verdict: eof_never
# stuck: snip.py read *
# other: sleep
# line: snip.py
# needs: make
import subprocess

#MEND subprocess.run(["make", "-s", "quiet"], stdout=subprocess.PIPE).check_returncode()
#MEND raise SystemExit
snip = subprocess.Popen(["make", "-s", "hang"], stdout=subprocess.PIPE)
text = snip.stdout.read()  # HERE
