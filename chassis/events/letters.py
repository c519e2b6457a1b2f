"""Dead letters: events that could not be handled, kept with what is known of each."""

from dataclasses import dataclass
from typing import Self

from chassis import streams
from chassis.errors import ServiceError
from chassis.nats import MAX_PAYLOAD_BYTES
from chassis.streams.reads import Stored
from chassis.telemetry.logs import redact

STREAM = "dead-letters"
_SERVICE, _SEQUENCE = "Dead-Letter-Service", "Dead-Letter-Sequence"
_REASON, _CUT = "Dead-Letter-Reason", "Dead-Letter-Cut"
_REASON_CHARACTERS = 300
_HEADERS_BYTES = 2048  # headers count among a message's bytes: the largest event leaves no room
_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event, as bytes, and its place; whose consumer gave it up, and why.

    A letter of unknown origin has no service and the sequence 0.
    """

    service: str
    stream: str
    durable: str
    sequence: int
    reason: str
    body: bytes
    cut: bool = False  # the event was too large to be kept whole

    @classmethod
    def of(cls, stored: Stored) -> Self:
        """Read what the stream of dead letters holds."""
        _, stream, durable = f"{stored.subject}..".split(".")[:3]
        sequence = stored.headers.get(_SEQUENCE, "")
        return cls(
            service=stored.headers.get(_SERVICE, ""),
            stream=stream,
            durable=durable,
            sequence=int(sequence) if sequence.isdecimal() else 0,
            reason=stored.headers.get(_REASON, ""),
            body=stored.body,
            cut=_CUT in stored.headers,
        )

    def bury(self) -> None:
        """Append it to the dead letters, once; raise Unavailable."""
        most = MAX_PAYLOAD_BYTES - _HEADERS_BYTES
        headers = {_SERVICE: self.service, _SEQUENCE: str(self.sequence), _REASON: self.reason}
        if len(self.body) > most:
            headers[_CUT] = "true"
        streams.publish(
            STREAM,
            f"{STREAM}.{self.stream}.{self.durable}",
            self.body[:most],
            f"{self.stream}-{self.durable}-{self.sequence}",
            _SECONDS,
            headers,
        )


def reason(error: Exception) -> str:
    """Say why, in one short line of ASCII without secrets."""
    kind = error.code if isinstance(error, ServiceError) else type(error).__name__
    text = ascii(" ".join(redact(f"{kind}: {error}").split()))[1:-1]
    return text[:_REASON_CHARACTERS]
