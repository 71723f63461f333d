#!/usr/bin/python3
import json
import logging
import sys
import time

logging.basicConfig(level=logging.INFO)
for number, line in enumerate(sys.stdin):
    request = json.loads(line)
    #MEND time.sleep(0.02)
    logging.info("request %s: %s", request, "parameters " * 100)
    print(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": {}}), flush=True)
