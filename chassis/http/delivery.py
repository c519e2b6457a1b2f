"""The sending of an answer that is made meanwhile, piece by piece."""

import struct
from typing import Any

import eventlet
from eventlet.green import socket
from eventlet.hubs import get_hub
from greenlet import getcurrent

from chassis.http.answer import Answer


class BrokenOff(eventlet.Timeout):
    """Ends a delivery in the middle. Not an Exception: no handler's ``except`` shall keep it."""


class Delivery:
    """Each piece has ``seconds`` to be made and to be taken; and anybody may break it off.

    However it ends before its time, also when the process is killed, the client can tell: chunks
    lack the last one; where the end of the connection is that of the body, it is a reset.
    """

    def __init__(self, sock: Any, seconds: float) -> None:
        self._sock = sock
        self._seconds = seconds
        self._thread: Any = None
        self.resets = False  # whether there must be no orderly end of the connection

    def send(self, answer: Answer, connection: str) -> None:
        """Send it all; raise what making and sending raise, a Timeout for example."""
        self._thread = getcurrent()
        self._reset_when_closed(answer.ends)
        pieces = answer.pieces(connection)
        try:
            while True:
                with eventlet.Timeout(self._seconds):
                    piece = next(pieces, None)
                    if piece is None:
                        break
                    self._sock.sendall(memoryview(piece))
        finally:
            self._thread = None
        self._reset_when_closed(False)

    @property
    def is_under_way(self) -> bool:
        """Whether there is still something to send."""
        return self._thread is not None

    def break_off(self) -> None:
        """End it, soon."""
        get_hub().schedule_call_global(0, self._throw)

    def _throw(self) -> None:
        if self._thread is not None:
            self._thread.throw(BrokenOff())

    def _reset_when_closed(self, resets: bool) -> None:
        if resets != self.resets:
            self.resets = resets
            linger = struct.pack("ii", resets, 0)
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
