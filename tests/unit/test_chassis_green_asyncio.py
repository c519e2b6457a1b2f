"""asyncio in a green thread: results, errors, time-outs, and nobody stands still meanwhile."""

import asyncio
import socket
from contextlib import suppress

import eventlet
import pytest

from chassis import green_asyncio


async def after(seconds: float, value: object) -> object:
    await asyncio.sleep(seconds)
    return value


def test_run_returns_what_the_coroutine_returns() -> None:
    assert green_asyncio.run(after(0, "done"), 1) == "done"


def test_run_raises_what_the_coroutine_raises() -> None:
    async def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        green_asyncio.run(fail(), 1)


def test_run_ends_with_its_time_and_cancels_the_work() -> None:
    cancelled = []

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    with pytest.raises(TimeoutError):
        green_asyncio.run(work(), 0.01)
    green_asyncio.run(after(0, None), 1)
    assert cancelled == [True]


def test_green_threads_and_coroutines_go_on_side_by_side() -> None:
    ticks: list[int] = []

    def tick() -> None:
        while True:
            ticks.append(1)
            eventlet.sleep(0)

    ticking = eventlet.spawn(tick)
    calls = [eventlet.spawn(green_asyncio.run, after(0.01, n), 1) for n in range(20)]
    assert [call.wait() for call in calls] == list(range(20))
    ticking.kill()
    assert len(ticks) > 1


def test_a_loop_that_never_rests_lets_green_threads_run() -> None:
    async def spin() -> None:
        while True:
            await asyncio.sleep(0)

    with suppress(TimeoutError):
        green_asyncio.run(spin(), 0.05)


def test_sockets_work_in_the_loop() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())
        writer.close()

    async def there_and_back() -> bytes:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"hello\n")
        answer = await reader.readline()
        writer.close()
        await writer.wait_closed()
        server.close()
        return answer

    assert green_asyncio.run(there_and_back(), 5) == b"hello\n"


def test_names_are_looked_up_in_a_green_thread() -> None:
    found = green_asyncio.run(
        green_asyncio.loop().getaddrinfo("localhost", 80, type=socket.SOCK_STREAM), 5
    )
    assert {address[4][1] for address in found} == {80}
