"""The audit log: what happens to accounts and tokens, one line for each, on the logger ``audit``.

docs/operations.md lists the events. A line names the actor and ids; it never has a token, an
e-mail address, or anything else that a person has typed.
"""

import logging
from typing import Any

from werkzeug.wrappers import Request

_log = logging.getLogger("audit")


def record(
    event: str, request: Request, actor: Any = None, outcome: str = "ok", **facts: Any
) -> None:
    """Write that somebody did something: ``actor`` is an ``auth.Caller``, or None for nobody known.

    The formatter adds the time and the request's id.
    """
    known = {"actor": actor.username, "token_id": actor.token_id} if actor else {}
    # Trusted proxies left out, where the request is one of our server's.
    address = getattr(request, "client", "") or request.remote_addr
    told = {"event": event, "outcome": outcome, **known, "address": address, **facts}
    _log.info("%s: %s", event, outcome, extra={"facts": told})
