"""Answers that are made while they are sent."""

from collections.abc import Generator
from contextvars import copy_context
from itertools import chain
from typing import Any

import eventlet
from werkzeug.wrappers import Response

Pieces = Generator[bytes, None, None]
Outcome = tuple[bytes | None, Exception | None]


def streamed(pieces: Pieces, **more: Any) -> Response:
    """Answer with pieces, of which the next is made while one is sent, and no more than that.

    The first is made at once: what it raises is raised here, where it can still be told. When a
    later one raises, the answer breaks off.
    """
    ahead = one_ahead(pieces)
    response = Response(chain([next(ahead, b"")], ahead), **more)
    response.call_on_close(ahead.close)
    return response


def one_ahead(pieces: Pieces) -> Pieces:
    """Yield what an iterator does, which makes one more meanwhile."""
    make = copy_context().run
    making = eventlet.spawn(make, _next, pieces)
    try:
        while True:
            piece, error = making.wait()
            if error is not None:
                raise error
            if piece is None:
                return
            making = eventlet.spawn(make, _next, pieces)
            yield piece
    finally:
        making.kill()
        pieces.close()


def _next(pieces: Pieces) -> Outcome:
    """Return the next piece, if any; and no exception, which eventlet would print."""
    try:
        return next(pieces, None), None
    except Exception as error:
        return None, error
