import socket

listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
connection, _ = listener.accept()
size = 20000000  # HANG
#MEND size = 1000
connection.sendall(bytes(size))
while size > 0:
    size -= len(connection.recv(65536))
