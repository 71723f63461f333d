# thread: https://github.com/agiletec-inc/airis-mcp-gateway/issues/82
# title: subprocess.run() in an async endpoint: the whole loop stands still
# family: Python asyncio
# start: python3 gateway.py
# parent: gateway.py
# verdict: blocked
# stuck: gateway.py child *
# line: gateway.py
import asyncio
import subprocess


async def endpoint():
    subprocess.run(["sleep", "20"])  # HANG HERE
    #MEND await asyncio.to_thread(subprocess.run, ["sleep", "1.5"])


async def main():
    for request in range(20):
        await asyncio.sleep(0.02)
    await endpoint()


asyncio.run(main())
