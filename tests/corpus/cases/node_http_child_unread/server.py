import http.server
import sys
import time


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        #MEND time.sleep(1.5)
        for number in range(5000):
            print("rendering part", number, "of the page " * 5)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, file=sys.stderr, flush=True)
server.serve_forever()
