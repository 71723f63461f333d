# SPDX-License-Identifier: MIT
"""Coroutines and generators."""
import functools

from python_scenarios.report import block


def asyncio_chain():
    import asyncio

    class Lines:
        async def __aiter__(self):
            await asyncio.sleep(0)
            block()
            yield 1

    async def audit_log():
        async for line in Lines():
            return line

    async def handle(request):
        return await audit_log()

    async def serve():
        await asyncio.sleep(0)
        await asyncio.gather(handle(1), asyncio.sleep(0))

    asyncio.run(serve())


def asyncio_callback():
    import asyncio

    async def main():
        asyncio.get_running_loop().call_soon(functools.partial(block))
        await asyncio.sleep(0.01)

    asyncio.run(main())


def generator():
    def leaf():
        yield 1
        block()
        yield 2

    def middle():
        yield from leaf()

    def top():
        for value in middle():
            yield value

    total = sum(value for value in top())
    assert total == 3


def generator_send():
    def accumulate():
        while True:
            value = yield
            if value == 3:
                block()

    receiver = accumulate()
    next(receiver)
    for value in range(1, 5):
        receiver.send(value)


def generator_closed():
    def guarded():
        try:
            yield 1
        finally:
            block()

    iterator = guarded()
    next(iterator)
    iterator.close()
