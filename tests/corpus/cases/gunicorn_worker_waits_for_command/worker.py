import http.server
import subprocess
import sys


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        command = subprocess.Popen([sys.executable, "command.py"], stdout=subprocess.PIPE)
        #MEND command.communicate()
        command.wait()  # HERE
        self.send_response(200)
        self.end_headers()


server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
