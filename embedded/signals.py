"""Waiting until a signal arrives: somebody asks us to stop, or a child has ended."""

import select
import signal
import socket


class Signals:
    """Every signal ends a wait, also one that came before it."""

    def __init__(self) -> None:
        self._read, self._write = socket.socketpair()
        for end in (self._read, self._write):
            end.setblocking(False)
        # Only signals that Python handles are written here.
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._write.fileno(), warn_on_full_buffer=False)

    def wait(self, seconds: float) -> None:
        """Wait for a signal, for so long at most."""
        if select.select([self._read], [], [], seconds)[0]:
            self._read.recv(4096)

    def close(self) -> None:
        """Wait no more."""
        signal.set_wakeup_fd(-1)
        self._read.close()
        self._write.close()
