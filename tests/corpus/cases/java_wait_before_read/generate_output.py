import time

#MEND time.sleep(1.5)
for number in range(20000):
    print("line", number)
