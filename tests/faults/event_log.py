"""A system whose log of events is on a NATS of its own: it may break while the bus works on.

Its services may be killed at an instant: see chassis.failpoints.
"""

import signal
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC
from pathlib import Path
from typing import Any, TypeVar

import nats
import psutil

from embedded.nats import NatsServer
from embedded.ports import free_port
from tests import loops
from tests.e2e.survival import parts
from tests.e2e.system import System
from tests.processes import until

STREAM = "link-events"
HEAL_SECONDS = 60.0

T = TypeVar("T")


class EventLog(NatsServer):
    """The NATS server that has the streams, as its operator sees it."""

    limit = ""  # of what the streams take on the disk; without, a part of what is free

    def prepare(self) -> None:
        super().prepare()
        if self.limit:
            text, always = self._file.read_text(), "sync_interval: always"
            self._file.write_text(text.replace(always, f"{always}\n  max_file_store: {self.limit}"))

    def leave_room_for(self, size: int) -> None:
        """Let the streams grow by so many bytes, and no more.

        NATS 2.15 takes a lower limit only when it starts, a higher one also when it reloads.
        """

        async def used(js: Any) -> int:
            return int((await js.account_info()).storage)

        self.limit = str(self.operate(used) + size)
        self.kill()
        self.start()

    def make_room(self) -> None:
        """Let the streams grow again, without a restart."""
        self.limit = "1GB"
        self.prepare()
        assert self.child is not None
        self.child.signal(signal.SIGHUP)

    def operate(self, work: Callable[[Any], Awaitable[T]]) -> T:
        """Do something with JetStream."""

        async def connected() -> T:
            client = await nats.connect(self.url, connect_timeout=5)
            try:
                return await work(client.jetstream(timeout=5))
            finally:
                await client.close()

        return loops.run(connected())

    def has_stream(self) -> bool:
        """Tell whether the stream of link events is there; it is made by who needs it first."""

        async def look(js: Any) -> bool:
            return bool(await js.stream_info(STREAM))

        return self.operate(look)

    def forget_ids_after(self, seconds: float) -> None:
        """Let the stream know a message's id for so long only."""

        async def change(js: Any) -> None:
            wanted = (await js.stream_info(STREAM)).config
            wanted.duplicate_window = seconds
            await js.update_stream(wanted)

        self.operate(change)

    def append(self, author: str, body: bytes) -> None:
        """Put something into the stream, as if an author's change had written it."""

        async def publish(js: Any) -> None:
            await js.publish(f"{STREAM}.{author}", body)

        self.operate(publish)

    def forget_consumer(self) -> None:
        """Lose all that the stream knows of who has had what: everything is delivered again."""

        async def forget(js: Any) -> bool:
            return bool(await js.delete_consumer(STREAM, "news"))

        self.operate(forget)

    def is_consumed(self) -> bool:
        """Tell whether everything was delivered and acknowledged."""

        async def look(js: Any) -> bool:
            consumer = await js.consumer_info(STREAM, "news")
            last = (await js.stream_info(STREAM)).state.last_seq
            return consumer.delivered.stream_seq >= last and not consumer.num_ack_pending

        return self.operate(look)

    def times(self, author: str) -> list[float]:
        """Return when each of an author's events came, copies among them."""

        async def read(js: Any) -> list[float]:
            state = (await js.stream_info(STREAM, subjects_filter=f"{STREAM}.{author}")).state
            found: list[float] = []
            sequence = state.first_seq
            while len(found) < (state.subjects or {}).get(f"{STREAM}.{author}", 0):
                one = await js.get_msg(STREAM, sequence, f"{STREAM}.{author}", next=True)
                found.append(one.time.astimezone(UTC).timestamp())
                sequence = one.seq + 1
            return found

        return self.operate(read)


class ApartSystem(System):
    """The system with the bus on one NATS and the log of events on another."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.log = EventLog(folder / "log", free_port())
        self.instants = folder / "instants"
        self.instants.mkdir()
        self.env |= {
            "NATS_URL": self.log.url,
            "FAILPOINTS_DIR": str(self.instants),
            "FEED_LENGTH": "1000000",
        }
        self.command = [sys.executable, "-m", "tests.faults.own_environments"]

    def start(self) -> None:
        self.log.start()
        super().start()

    def stop(self, *arguments: Any) -> int:
        status = super().stop(*arguments)
        self.log.stop()
        return status

    def part(self, name: str) -> psutil.Process:
        """Return the process of a part, as soon as it lives."""
        found: psutil.Process = until(lambda: parts(self).get(name), HEAL_SECONDS)
        return found

    def at(self, instant: str, times: int = 1) -> None:
        """Have the process killed that is the next to come to an instant, or the n-th."""
        new = self.instants / f"{instant}.new"
        new.write_text(str(times))
        new.rename(self.instants / instant)

    def until_killed_at(self, instant: str) -> None:
        """Wait until that has happened."""
        until(lambda: not (self.instants / instant).exists(), HEAL_SECONDS)
