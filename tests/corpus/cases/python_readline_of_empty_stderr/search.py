import time

#MEND time.sleep(1.5)
print("\n".join("clone pair %d" % i for i in range(20000)))
