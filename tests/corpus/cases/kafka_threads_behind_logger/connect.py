import logging
import threading
import time

logging.basicConfig(level=logging.INFO)


def work():
    for number in range(1000):
        logging.info("WorkerSinkTask{id=sink-%d} committing offsets %s", number, "x" * 40)
        #MEND time.sleep(0.0015)


threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
