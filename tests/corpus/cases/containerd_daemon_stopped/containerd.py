import sys

print("ready", flush=True)
for line in sys.stdin:
    pass
