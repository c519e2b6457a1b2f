"""The API of JetStream: requests and answers in JSON, over the connection of the streams."""

from typing import Any

import msgspec

from chassis.errors import Unavailable
from chassis.nats import NO_RESPONDERS, Message
from chassis.nats import streams as connection

NOT_FOUND = 404


class Refused(Exception):
    """NATS has answered with an error; ``status`` is as in HTTP, ``code`` says more."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error.get("description", "refused"))
        self.status = error.get("code", 0)
        self.code = error.get("err_code", 0)


def ask(what: str, wanted: dict[str, Any], seconds: float) -> dict[str, Any]:
    """Return the answer to a request such as ``STREAM.INFO.<stream>``.

    Raises Refused, and Unavailable where none comes.
    """
    body = msgspec.json.encode(wanted)
    return answer(connection().request(f"$JS.API.{what}", body, seconds))


def answer(reply: Message) -> dict[str, Any]:
    """Read an answer; raise Refused, and Unavailable for none."""
    if reply.status == NO_RESPONDERS:
        raise Unavailable("bus_unavailable", "The event log did not answer.")
    try:
        found = msgspec.json.decode(reply.data, type=dict[str, Any])
    except ValueError:
        raise Unavailable("stream_unavailable", "The event log gave no answer.") from None
    if "error" in found:
        raise Refused(found["error"])
    return found


def unavailable(what: str) -> Unavailable:
    """Return the error for what NATS has refused to do, or to do now."""
    return Unavailable("stream_unavailable", f"The event log {what}.")
