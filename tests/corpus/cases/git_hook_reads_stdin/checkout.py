# thread: https://github.com/evilmartians/lefthook/issues/1493
# title: a hook reads stdin to its end; whoever runs it holds stdin open and waits for the hook
# family: git hooks
# start: python3 checkout.py
# parent: checkout.py
# child: post-checkout.sh
# verdict: deadlock
# stuck: post-checkout.sh read stdin
# other: checkout.py
# line: checkout.py
# quick: yes
import subprocess

hook = subprocess.Popen(["sh", "post-checkout.sh"], stdin=subprocess.PIPE)
#MEND hook.stdin.close()
hook.wait()  # HERE
