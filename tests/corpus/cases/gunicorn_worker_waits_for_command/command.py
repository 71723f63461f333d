import time

#MEND time.sleep(1.5)
print("x" * 200000)
