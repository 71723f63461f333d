# thread: https://github.com/containerd/containerd/issues/12462
# title: an error ends the copying of a container's log, the pipe stays open: the container hangs
# family: containers
# start: python3 shim.py
# parent: shim.py
# child: ping
# verdict: deadlock|reader_away
# stuck: ping write stdout
# other: shim.py
# line: shim.py
import subprocess
import threading

container = subprocess.Popen(["./ping"], stdout=subprocess.PIPE)


def copy_pipe():
    for line in container.stdout:
        #MEND continue
        return  # its disk is full


copier = threading.Thread(target=copy_pipe)
copier.start()
container.wait()  # HERE
