"""Ask the gateway whether the whole system serves."""

import http.client
import json

from embedded.ports import LOOPBACK

SECONDS = 5


def missing(port: int) -> str:
    """Return what the gateway on this machine waits for, or nothing when all is there."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=SECONDS)
    try:
        connection.request("GET", "/health/ready")
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException):
        return "the gateway does not answer"
    finally:
        connection.close()
    return "" if answer.status == 200 else _complaint(body)


def _complaint(body: bytes) -> str:
    try:
        return "waiting for " + ", ".join(json.loads(body)["waiting_for"])
    except (ValueError, KeyError, TypeError):
        return body.decode(errors="replace")[:200]
