import fcntl
import time

job = open("job", "w")
fcntl.flock(job, fcntl.LOCK_EX)
print("signing", flush=True)
#MEND time.sleep(1.5)
status = open("status", "w")
fcntl.flock(status, fcntl.LOCK_EX)
