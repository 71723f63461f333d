import time

#MEND time.sleep(1.5)
print("error: Incompatible types in assignment\n" * 5000)
