# thread: https://github.com/GerHobbelt/civet-webserver/issues/1
# title: client and server send more than the buffers hold to each other before either reads
# family: TCP
# start: python3 client.py
# parent: client.py
# child: server.py
# verdict: deadlock
# stuck: server.py sendto *
# other: client.py
# line: client.py
import socket
import subprocess
import sys
import time

server = subprocess.Popen([sys.executable, "server.py"], stdout=subprocess.PIPE)
connection = socket.create_connection(("127.0.0.1", int(server.stdout.readline())))
size = 20000000  # HANG
#MEND size = 1000
#MEND time.sleep(1.5)
connection.sendall(bytes(size))  # HERE
while size > 0:
    size -= len(connection.recv(65536))
