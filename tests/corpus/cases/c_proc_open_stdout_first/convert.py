import sys
import time

#MEND time.sleep(1.5)
sys.stderr.write("convert: warning: unknown field in image\n" * 5000)
