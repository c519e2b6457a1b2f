"""What authors did, in the log of link events."""

from collections.abc import Iterable, Iterator

from chassis import errors, stream_reads
from chassis.events import Event as CloudEvent
from news_svc import schemas
from news_svc.domain import Published, firsts

# The most that a relay publishes again after it was killed (chassis.outbox_rows.BATCH_ROWS).
REPEATED = 500
_SECONDS = 2.0


class History:
    """The link events as far as they have been handed to their consumer, and no further.

    What it has not been given yet it will write into the feeds itself, in order: a reader who goes
    on from a token misses nothing.
    """

    def __init__(self, stream: str, durable: str) -> None:
        self.stream = stream
        self.durable = durable

    def position(self) -> int:
        """Return the sequence of the last event that was handed out; raise Unavailable."""
        return stream_reads.delivered(self.stream, self.durable, _SECONDS)

    def latest(self, author: str, position: int, length: int) -> list[Published]:
        """Return an author's last ``length`` events up to a position; raise Unavailable."""
        subject, count = f"{self.stream}.{author}", length + REPEATED
        while True:
            stored = stream_reads.last_of(self.stream, subject, count, _SECONDS)
            early = (one for one in stored if one.sequence <= position)
            found = firsts(_published(early, author), 0 if len(stored) < count else REPEATED)
            if len(stored) < count or len(found) >= length:
                return found[-length:]
            count *= 2


def _published(stored: Iterable[stream_reads.Stored], author: str) -> Iterator[Published]:
    """Read the events; what is none is among the dead letters and in no feed."""
    for one in stored:
        try:
            published = schemas.published(CloudEvent.decode(one.body), one.sequence)
        except errors.InvalidInput:
            continue
        if published.event.author == author:
            yield published
