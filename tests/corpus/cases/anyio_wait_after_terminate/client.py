# thread: https://github.com/agronholm/anyio/pull/1177
# title: after stdin is closed the child writes its last records, which nobody reads; wait() of asyncio waits
# family: agent SDKs
# start: python3 client.py
# parent: client.py
# child: cli.py
# verdict: deadlock|reader_away
# stuck: cli.py write stdout
# other: client.py
# line: client.py
import asyncio
import sys


async def main():
    process = await asyncio.create_subprocess_exec(
        sys.executable, "cli.py", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
    await process.stdout.readline()
    process.stdin.close()
    #MEND await process.stdout.read()
    await asyncio.wait_for(process.wait(), 30)  # HERE


asyncio.run(main())
