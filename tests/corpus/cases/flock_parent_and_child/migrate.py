import fcntl
import time

lock = open("lock", "w")
fcntl.flock(lock, fcntl.LOCK_EX)
#MEND time.sleep(1.5)
