import time

#MEND time.sleep(1.5)
for number in range(3000):
    print("state", number, "changed " * 5)
