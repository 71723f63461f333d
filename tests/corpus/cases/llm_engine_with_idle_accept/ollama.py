import http.server
import sys
import time


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        #MEND time.sleep(1.5)
        sys.stderr.write("llama_model_loader: - kv: general.architecture str = qwen3\n" * 3000)
        self.send_response(200)
        self.end_headers()


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
