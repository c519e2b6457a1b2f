"""Events as the streams hold them: CloudEvents 1.0 in JSON."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from chassis.errors import InvalidInput
from chassis.telemetry import current

# An extension attribute (CloudEvents 1.0, section 3.1.2: letters and digits in lower case).
REQUEST_ID = "requestid"


@dataclass(frozen=True)
class Event:
    """One CloudEvent (https://github.com/cloudevents/spec, version 1.0)."""

    id: str
    source: str
    type: str
    subject: str
    time: datetime
    data: dict[str, Any]
    request_id: str = ""  # of the request that made it happen, where that is known

    def encode(self) -> bytes:
        """Return the event as JSON."""
        document = {
            "specversion": "1.0",
            "id": self.id,
            "source": self.source,
            "type": self.type,
            "subject": self.subject,
            "time": self.time.isoformat().replace("+00:00", "Z"),
            "datacontenttype": "application/json",
            "data": self.data,
        }
        if self.request_id:
            document[REQUEST_ID] = self.request_id
        return msgspec.json.encode(document)

    @classmethod
    def decode(cls, body: bytes) -> "Event":
        """Read an event; raise InvalidInput ``invalid_event`` for what is none."""
        try:
            document = msgspec.json.decode(body)
            texts = {key: document[key] for key in ("id", "source", "type", "subject")}
            time = datetime.fromisoformat(document["time"])
            data = document["data"]
        except (ValueError, LookupError, TypeError, RecursionError):
            raise InvalidInput("invalid_event", "This is not a CloudEvent in JSON.") from None
        if not (
            all(isinstance(text, str) and text for text in texts.values())
            and isinstance(data, dict)
            and time.tzinfo is not None
        ):
            raise InvalidInput("invalid_event", "This is not a CloudEvent in JSON.")
        request_id = current.checked_request_id(document.get(REQUEST_ID))
        return cls(**texts, time=time, data=data, request_id=request_id)
