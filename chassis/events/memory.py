"""What a consumer has handled lately, so that it need not handle it again.

After a restart NATS gives again what was acknowledged in the last moments. A sequence alone does
not say that an event is the same: the stream may be another one, or an older copy of it.
"""

from collections import OrderedDict

_MOST = 2000  # more than a batch, and what NATS may forget in a tenth of a second


class Memory:
    """The ids of the events handled last, by sequence, and where each was acknowledged."""

    def __init__(self) -> None:
        self._handled: OrderedDict[int, str] = OrderedDict()
        self._replies: OrderedDict[int, str] = OrderedDict()

    def note(self, sequence: int, event_id: str) -> None:
        """Remember an event that is handled."""
        _put(self._handled, sequence, event_id)

    def acknowledged(self, sequence: int, reply: str) -> None:
        """Remember to which subject the acknowledgement of a message went."""
        _put(self._replies, sequence, reply)

    def has(self, sequence: int, event_id: str) -> bool:
        """Tell whether this event is handled, and that not long ago."""
        return self._handled.get(sequence) == event_id

    def reply(self, sequence: int) -> str:
        """Return where a message that we have handled was acknowledged, or nothing."""
        return self._replies.get(sequence, "")


def _put(kept: OrderedDict[int, str], sequence: int, text: str) -> None:
    kept[sequence] = text
    kept.move_to_end(sequence)
    if len(kept) > _MOST:
        kept.popitem(last=False)
