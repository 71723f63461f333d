import sys
import threading

sys.stdin.readline()
#MEND sys.stdin.read()
#MEND raise SystemExit
threading.Event().wait(30)  # HERE
