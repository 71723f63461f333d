# thread: https://github.com/keshavdv/unifi-cam-proxy/issues/148
# title: ffmpeg's stderr pipe fills up after hours, bricking the video stream
# family: ffmpeg
# start: python3 proxy.py
# parent: proxy.py
# child: ffmpeg
# verdict: deadlock|reader_away
# stuck: ffmpeg write stderr
# other: proxy.py
# line: proxy.py
import asyncio


async def main():
    process = await asyncio.create_subprocess_exec(
        "./ffmpeg", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
    #MEND drain = asyncio.create_task(process.stderr.read())
    while await process.stdout.read(4096):  # HERE
        pass


asyncio.run(main())
