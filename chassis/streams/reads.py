"""Reading back what a stream holds: one subject's latest messages, and what was delivered."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import nats.js.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from chassis.errors import Unavailable
from chassis.nats import streams as connection

_NO_MESSAGE_API_CODE = 10037
_SUBJECTS_A_PAGE = 100_000  # the server's


@dataclass(frozen=True, slots=True)
class Stored:
    """A message and its place in the stream."""

    sequence: int
    body: bytes
    headers: Mapping[str, str]  # the publisher's, and the server's

    @property
    def subject(self) -> str:
        """The subject under which it was published."""
        return self.headers["Nats-Subject"]

    @property
    def time(self) -> str:
        """When the stream got it, to the second: RFC 3339, UTC."""
        return f"{self.headers['Nats-Time-Stamp'][:19]}Z"


def last_of(stream: str, subject: str, count: int, timeout: float) -> list[Stored]:
    """Return the last ``count`` messages of a subject or up to twice as many, oldest first.

    Fewer than ``count`` are all that there are. Raises Unavailable.
    """
    return _call(lambda client: _last_of(client, stream, subject, count), timeout)


def after(stream: str, sequence: int, count: int, timeout: float) -> list[Stored]:
    """Return the messages after a sequence, ``count`` at most, as far as a replica has them.

    Raises Unavailable.
    """

    async def ask(client: Client) -> list[Stored]:
        found, _ = await _read(client, stream, f"{stream}.>", sequence + 1, count)
        return found

    return _call(ask, timeout)


def last_sequence(stream: str, timeout: float) -> int:
    """Return the sequence of a stream's last message. Raises Unavailable."""

    async def ask(client: Client) -> int:
        info = await _ask(client, f"STREAM.INFO.{stream}", {})
        return int(info["state"]["last_seq"])

    return _call(ask, timeout)


def exists(stream: str, timeout: float) -> bool:
    """Tell whether there is such a stream; raise Unavailable."""

    async def ask(client: Client) -> bool:
        try:
            await _ask(client, f"STREAM.INFO.{stream}", {})
        except nats.js.errors.NotFoundError:
            return False
        return True

    return _call(ask, timeout)


def backlog(stream: str, durable: str, timeout: float) -> tuple[int, int, int]:
    """Return how many messages a durable consumer has not been given, has in hand, had twice.

    Raises Unavailable.
    """

    async def ask(client: Client) -> tuple[int, int, int]:
        info = await client.jetstream(timeout=timeout).consumer_info(stream, durable)
        return info.num_pending or 0, info.num_ack_pending or 0, info.num_redelivered or 0

    return _call(ask, timeout)


def has_handled(stream: str, durable: str, sequence: int, timeout: float) -> bool:
    """Tell whether a durable consumer is done with a stream's messages up to a sequence.

    Where the last ones were deleted, it is done when nothing is left. Raises Unavailable.
    """

    async def ask(client: Client) -> bool:
        info = await client.jetstream(timeout=timeout).consumer_info(stream, durable)
        floor = info.ack_floor.stream_seq if info.ack_floor else 0
        return floor >= sequence or not (info.num_pending or info.num_ack_pending)

    return bool(_call(ask, timeout))


def subjects(stream: str, timeout: float) -> list[str]:
    """Return every subject that a stream has a message of, by name. Raises Unavailable."""

    async def ask(client: Client) -> list[str]:
        found: list[str] = []
        while True:
            wanted = {"subjects_filter": ">", "offset": len(found)}
            info = await _ask(client, f"STREAM.INFO.{stream}", wanted)
            page = info["state"].get("subjects") or {}
            found += page
            if len(page) < _SUBJECTS_A_PAGE:
                return sorted(found)

    return _call(ask, timeout)


def _call(work: Any, timeout: float) -> Any:
    try:
        return connection().call(work, timeout)
    except nats.js.errors.APIError as error:
        raise Unavailable("stream_unavailable", "The event log could not be read.") from error


async def _last_of(client: Client, stream: str, subject: str, count: int) -> list[Stored]:
    # The stream's leader says where the subject ends; what follows may be answered by a replica
    # that lags behind (NATS ADR-31).
    last = await _last(client, stream, subject)
    if last == 0:
        return []
    start = await _start(client, stream, subject, count, last)
    found: list[Stored] = []
    while not found or found[-1].sequence < last:
        page, _ = await _read(client, stream, subject, start, 2 * count)
        if not page:
            raise Unavailable("stream_unavailable", "A replica of the event log lags behind.")
        found += page
        start = found[-1].sequence + 1
    return found


async def _last(client: Client, stream: str, subject: str) -> int:
    try:
        answer = await _ask(client, f"STREAM.MSG.GET.{stream}", {"last_by_subj": subject})
    except nats.js.errors.NotFoundError as error:
        if error.err_code != _NO_MESSAGE_API_CODE:
            raise
        return 0
    return int(answer["message"]["seq"])


async def _start(client: Client, stream: str, subject: str, count: int, last: int) -> int:
    """Find a sequence from which there are ``count`` messages to read, or up to twice as many."""
    low, high = 1, last
    middle = low
    while middle < high:
        page, rest = await _read(client, stream, subject, middle, 1)
        if len(page) + rest > 2 * count:
            low = page[0].sequence + 1
        elif middle == 1 or len(page) + rest >= count:
            break
        else:
            high = middle
        middle = (low + high) // 2
    return min(middle, last)


async def _read(
    client: Client, stream: str, subject: str, start: int, most: int
) -> tuple[list[Stored], int]:
    """Read a subject from a sequence on; return the messages, and how many more there are."""
    address = client.new_inbox()
    found: list[Stored] = []
    end: asyncio.Future[Msg] = asyncio.get_running_loop().create_future()

    async def take(message: Msg) -> None:
        headers = message.headers or {}
        if "Status" not in headers:
            found.append(Stored(int(headers["Nats-Sequence"]), message.data, headers))
        elif not end.done():
            end.set_result(message)

    subscription = await client.subscribe(address, cb=take)
    try:
        wanted = {"seq": start, "next_by_subj": subject, "batch": most}
        request = json.dumps(wanted).encode()
        await client.publish(f"$JS.API.DIRECT.GET.{stream}", request, reply=address)
        headers = (await end).headers or {}
    finally:
        await subscription.unsubscribe()
    if headers["Status"] not in ("204", "404"):  # the end of the batch, or nothing at all
        raise Unavailable("stream_unavailable", "The event log could not be read.")
    return found, int(headers.get("Nats-Num-Pending", 0))


async def _ask(client: Client, what: str, wanted: dict[str, Any]) -> dict[str, Any]:
    reply = await client.request(f"$JS.API.{what}", json.dumps(wanted).encode())
    answer: dict[str, Any] = json.loads(reply.data)
    if "error" in answer:
        nats.js.errors.APIError.from_error(answer["error"])
    return answer
