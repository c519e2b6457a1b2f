"""A TCP proxy that does to a connection what networks do.

``Proxy.fault`` is one of the faults below and may be changed at any time; it holds for connections
that are there and for new ones.
"""

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from embedded.ports import LOOPBACK, free_port

_CHUNK_BYTES = 65536
_AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER: close with a reset


class Flow:
    """One direction of a connection."""

    def __init__(self, proxy: "Proxy", out: asyncio.StreamWriter, both: tuple[Any, Any]) -> None:
        self.proxy = proxy
        self._out = out
        self._both = both
        self.passed = 0  # bytes, since the fault began

    async def write(self, data: bytes) -> None:
        self._out.write(data)
        await self._out.drain()
        self.passed += len(data)

    def reset(self) -> None:
        """End both directions with a reset."""
        for writer in self._both:
            raw = writer.transport.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
            writer.transport.abort()

    def close(self) -> None:
        """End both directions in an orderly way."""
        for writer in self._both:
            writer.close()


Fault = Callable[[Flow, bytes], Coroutine[Any, Any, None]]


async def passing(flow: Flow, data: bytes) -> None:
    """Do nothing."""
    await flow.write(data)


async def black_hole(flow: Flow, data: bytes) -> None:
    """Say nothing until there is another fault; what was sent meanwhile is kept."""
    await flow.proxy.until_changed(black_hole)
    await flow.proxy.fault(flow, data)


async def reset(flow: Flow, data: bytes) -> None:
    """Reset in the middle of what is being said."""
    await flow.write(data[: len(data) // 2])
    flow.reset()


async def refuse(flow: Flow, data: bytes) -> None:
    """Reset; new connections are refused."""
    flow.reset()


def delayed(seconds: float) -> Fault:
    """Say everything later."""

    async def delay(flow: Flow, data: bytes) -> None:
        await asyncio.sleep(seconds)
        await flow.write(data)

    return delay


def dripping(seconds: float) -> Fault:
    """Say one byte, wait, say the next one."""

    async def drip(flow: Flow, data: bytes) -> None:
        for at in range(len(data)):
            if flow.proxy.fault is not drip:
                return await flow.proxy.fault(flow, data[at:])
            await flow.write(data[at : at + 1])
            await asyncio.sleep(seconds)
        return None

    return drip


def cut_after(most: int) -> Fault:
    """End each connection when one direction has had so many bytes."""

    async def cut(flow: Flow, data: bytes) -> None:
        await flow.write(data[: most - flow.passed])
        if flow.passed >= most:
            flow.close()

    return cut


class Proxy:
    """Listen on a port of its own, and pass everything on to another one."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = free_port()
        self.fault: Fault = passing
        self._flows: set[Flow] = set()
        self._loop = asyncio.new_event_loop()
        self._changed = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def start(self) -> "Proxy":
        self._thread.start()
        self._do(self._listen())
        return self

    def stop(self) -> None:
        self._do(self._refuse())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def begin(self, fault: Fault) -> None:
        """Begin a fault, or end it with ``passing``."""
        self._do(self._begin(fault))

    async def until_changed(self, fault: Fault) -> None:
        while self.fault is fault:
            await self._changed.wait()

    async def _begin(self, fault: Fault) -> None:
        self.fault = fault
        for flow in self._flows:
            flow.passed = 0
        self._changed.set()
        self._changed = asyncio.Event()
        if fault is refuse:
            await self._refuse()
        elif self._server is None:
            await self._listen()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, LOOPBACK, self.port)

    async def _refuse(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for flow in list(self._flows):
            flow.reset()
        while self._flows:
            await asyncio.sleep(0.01)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await self._connect()
        except OSError:
            writer.transport.abort()
            return
        both = (writer, far_writer)
        to_server, to_client = Flow(self, far_writer, both), Flow(self, writer, both)
        self._flows |= {to_server, to_client}
        await asyncio.gather(
            self._pump(reader, to_server), self._pump(far_reader, to_client), return_exceptions=True
        )
        self._flows -= {to_server, to_client}

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(LOOPBACK, self.target)

    async def _pump(self, reader: asyncio.StreamReader, flow: Flow) -> None:
        with suppress(OSError):
            while data := await reader.read(_CHUNK_BYTES):
                await self.fault(flow, data)
        flow.close()

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)
