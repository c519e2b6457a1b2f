"""Reading back what a stream holds: one subject's latest messages, and what was delivered."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from time import monotonic
from typing import Any, TypeVar

import msgspec

from chassis.errors import Unavailable
from chassis.nats import Message
from chassis.nats import streams as connection
from chassis.nats.protocol import headers_of
from chassis.streams import api

T = TypeVar("T")

_NO_MESSAGE_API_CODE = 10037
_SUBJECTS_A_PAGE = 100_000  # the server's
_ENDS = (b"204", b"404")  # the end of what was asked for, or nothing at all


@dataclass(frozen=True)
class Stored:
    """A message and its place in the stream."""

    sequence: int
    body: bytes
    head: bytes

    @cached_property
    def headers(self) -> dict[str, str]:
        """The publisher's, and the server's."""
        return headers_of(self.head)

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
    return _available(lambda: _last_of(stream, subject, count, monotonic() + timeout))


def after(stream: str, sequence: int, count: int, timeout: float) -> list[Stored]:
    """Return the messages after a sequence, ``count`` at most, as far as a replica has them.

    Raises Unavailable.
    """
    found, _ = _read(stream, f"{stream}.>", sequence + 1, count, monotonic() + timeout)
    return found


def last_sequence(stream: str, timeout: float) -> int:
    """Return the sequence of a stream's last message. Raises Unavailable."""
    info = _available(lambda: api.ask(f"STREAM.INFO.{stream}", {}, timeout))
    return int(info["state"]["last_seq"])


def exists(stream: str, timeout: float) -> bool:
    """Tell whether there is such a stream; raise Unavailable."""

    def ask() -> bool:
        try:
            api.ask(f"STREAM.INFO.{stream}", {}, timeout)
        except api.Refused as error:
            if error.status != api.NOT_FOUND:
                raise
            return False
        return True

    return _available(ask)


def backlog(stream: str, durable: str, timeout: float) -> tuple[int, int, int]:
    """Return how many messages a durable consumer has not been given, has in hand, had twice.

    Raises Unavailable.
    """
    info = _consumer(stream, durable, timeout)
    numbers = ("num_pending", "num_ack_pending", "num_redelivered")
    pending, in_hand, redelivered = (int(info.get(number, 0)) for number in numbers)
    return pending, in_hand, redelivered


def has_handled(stream: str, durable: str, sequence: int, timeout: float) -> bool:
    """Tell whether a durable consumer is done with a stream's messages up to a sequence.

    Where the last ones were deleted, it is done when nothing is left. Raises Unavailable.
    """
    info = _consumer(stream, durable, timeout)
    floor = int(info.get("ack_floor", {}).get("stream_seq", 0))
    return floor >= sequence or not (info.get("num_pending") or info.get("num_ack_pending"))


def subjects(stream: str, timeout: float) -> list[str]:
    """Return every subject that a stream has a message of, by name. Raises Unavailable."""
    found: list[str] = []
    end = monotonic() + timeout
    while True:
        page = _available(partial(_subjects, stream, len(found), end))
        found += page
        if len(page) < _SUBJECTS_A_PAGE:
            return sorted(found)


def _subjects(stream: str, offset: int, end: float) -> list[str]:
    wanted = {"subjects_filter": ">", "offset": offset}
    info = api.ask(f"STREAM.INFO.{stream}", wanted, end - monotonic())
    return list(info["state"].get("subjects") or {})


def _consumer(stream: str, durable: str, timeout: float) -> dict[str, Any]:
    return _available(lambda: api.ask(f"CONSUMER.INFO.{stream}.{durable}", {}, timeout))


def _available(ask: Callable[[], T]) -> T:
    try:
        return ask()
    except api.Refused as error:
        raise api.unavailable("could not be read") from error


def _last_of(stream: str, subject: str, count: int, end: float) -> list[Stored]:
    # The stream's leader says where the subject ends; what follows may be answered by a replica
    # that lags behind (NATS ADR-31).
    last = _last(stream, subject, end)
    if last == 0:
        return []
    start = _start(stream, subject, count, last, end)
    found: list[Stored] = []
    while not found or found[-1].sequence < last:
        page, _ = _read(stream, subject, start, 2 * count, end)
        if not page:
            raise Unavailable("stream_unavailable", "A replica of the event log lags behind.")
        found += page
        start = found[-1].sequence + 1
    return found


def _last(stream: str, subject: str, end: float) -> int:
    try:
        answer = api.ask(f"STREAM.MSG.GET.{stream}", {"last_by_subj": subject}, end - monotonic())
    except api.Refused as error:
        if error.code != _NO_MESSAGE_API_CODE:
            raise
        return 0
    return int(answer["message"]["seq"])


def _start(stream: str, subject: str, count: int, last: int, end: float) -> int:
    """Find a sequence from which there are ``count`` messages to read, or up to twice as many."""
    low, high = 1, last
    middle = low
    while middle < high:
        page, rest = _read(stream, subject, middle, 1, end)
        if len(page) + rest > 2 * count:
            low = page[0].sequence + 1
        elif middle == 1 or len(page) + rest >= count:
            break
        else:
            high = middle
        middle = (low + high) // 2
    return min(middle, last)


def _read(stream: str, subject: str, start: int, most: int, end: float) -> tuple[list[Stored], int]:
    """Read a subject from a sequence on; return the messages, and how many more there are."""
    wanted = msgspec.json.encode({"seq": start, "next_by_subj": subject, "batch": most})
    where = f"$JS.API.DIRECT.GET.{stream}"
    *found, last = connection().gather(where, wanted, end - monotonic(), _is_last)
    if last.status not in _ENDS:
        raise api.unavailable("could not be read")
    return [_stored(message) for message in found], int(last.header(b"Nats-Num-Pending") or 0)


def _is_last(message: Message) -> bool:
    return bool(message.status)


def _stored(message: Message) -> Stored:
    return Stored(int(message.header(b"Nats-Sequence")), message.data, message.head)
