# thread: https://github.com/bytedance/SandboxFusion/issues/53
# title: asyncio's Process.wait() of a program with 200 KB of output, before anything reads it
# family: Python asyncio
# start: python3 runner.py
# parent: runner.py
# child: program.py
# verdict: deadlock
# stuck: program.py write stdout
# other: runner.py
# line: runner.py
# quick: yes
import asyncio


async def run(command):
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE,
                                                   stderr=asyncio.subprocess.PIPE)
    await process.wait()  # HANG HERE
    #MEND await process.communicate()
    return await process.stdout.read()


asyncio.run(run(["./program.py"]))
