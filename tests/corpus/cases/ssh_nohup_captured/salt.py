# thread: https://github.com/saltstack/salt/issues/43335
# title: `nohup java … &` through salt-ssh: the process starts, the command never returns
# family: ssh
# start: python3 salt.py
# parent: salt.py
# verdict: eof_never
# stuck: salt.py poll *
# other: sleep
# line: salt.py
# quick: yes
import subprocess

command = "nohup sleep 30 &"  # HANG
#MEND command = "sleep 1.7"
subprocess.run(["sh", "-c", command], capture_output=True)  # HERE
