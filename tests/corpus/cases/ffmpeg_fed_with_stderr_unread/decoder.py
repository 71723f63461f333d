# thread: https://github.com/dgrauet/ltx-2-mlx/issues/92
# title: Popen(stdin=PIPE, stderr=PIPE): ffmpeg blocks on stderr, and takes no more frames
# family: ffmpeg
# start: python3 decoder.py
# parent: decoder.py
# child: ffmpeg
# verdict: deadlock
# stuck: ffmpeg write stderr
# other: decoder.py
# line: decoder.py
import subprocess

process = subprocess.Popen(["./ffmpeg"], stdin=subprocess.PIPE, stderr=subprocess.PIPE)  # HANG
#MEND process = subprocess.Popen(["./ffmpeg"], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
for number in range(2000):
    process.stdin.write(bytes(4096))  # HERE
process.stdin.close()
process.wait()
