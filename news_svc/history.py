"""What authors did, in the log of link events."""

from collections.abc import Iterable, Iterator

from chassis import errors
from chassis.events import Event as CloudEvent
from chassis.streams import reads
from news_svc import schemas
from news_svc.domain import Published, firsts

# The most that a relay publishes again after it was killed (chassis.outbox.rows.BATCH_ROWS).
REPEATED = 500
_SECONDS = 2.0


class History:
    """The link events, whether or not they have been handled."""

    def __init__(self, stream: str) -> None:
        self.stream = stream

    def end(self) -> int:
        """Return the sequence of the last event; raise Unavailable."""
        return reads.last_sequence(self.stream, _SECONDS)

    def latest(self, author: str, length: int) -> list[Published]:
        """Return an author's last ``length`` events; raise Unavailable."""
        subject, count = f"{self.stream}.{author}", length + REPEATED
        while True:
            stored = reads.last_of(self.stream, subject, count, _SECONDS)
            is_all = len(stored) < count
            found = firsts(_published(stored, author), 0 if is_all else REPEATED)
            if is_all or len(found) >= length:
                return found[-length:]
            count *= 2


def _published(stored: Iterable[reads.Stored], author: str) -> Iterator[Published]:
    """Read the events; what is none is among the dead letters and in no feed."""
    for one in stored:
        try:
            published = schemas.published(CloudEvent.decode(one.body), one.sequence)
        except errors.InvalidInput:
            continue
        if published.event.author == author:
            yield published
