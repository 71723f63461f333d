# thread: https://github.com/agronholm/anyio/issues/1174
# title: wait() of asyncio waits for the pipe's end too, which a process of the child's keeps off
# family: Python asyncio
# start: python3 server.py
# parent: server.py
# verdict: eof_never
# stuck: server.py epoll_wait *
# other: sleep
# line: server.py
# quick: yes
import asyncio


async def main():
    command = "sleep 30 & echo started; read line"  # HANG
    #MEND command = "echo started; read line; sleep 1.7"
    process = await asyncio.create_subprocess_shell(command, stdin=asyncio.subprocess.PIPE,
                                                    stdout=asyncio.subprocess.PIPE)
    await process.stdout.readline()
    process.stdin.close()
    await process.wait()  # HERE


asyncio.run(main())
