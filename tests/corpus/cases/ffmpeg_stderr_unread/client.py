# thread: https://github.com/collabora/WhisperLive/issues/245
# title: hangs for ever at process.stdout.read(): ffmpeg's stderr is a pipe that nobody reads
# family: ffmpeg
# start: python3 client.py
# parent: client.py
# child: ffmpeg
# verdict: deadlock
# stuck: ffmpeg write stderr
# other: client.py
# line: client.py
# quick: yes
import subprocess
import threading

process = subprocess.Popen(["./ffmpeg", "-i", "stream"], stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE)
#MEND threading.Thread(target=process.stderr.read, daemon=True).start()
while True:
    in_bytes = process.stdout.read(8192)  # HERE
    if not in_bytes:
        break
