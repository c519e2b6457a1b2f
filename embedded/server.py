"""A server of ours on this machine: what PostgreSQL, NATS and Valkey have in common."""

import os
import signal
import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

from embedded import child, ports
from embedded.account import Account
from embedded.child import Child
from embedded.errors import CannotStart

HOST = ports.LOOPBACK
START_SECONDS = 60.0  # a first start, or a recovery after a crash, on a slow disk
STOP_SECONDS = 10.0
POLL_SECONDS = 0.01
LOG_BYTES = 10_000_000


class Server:
    """One server process with its data in a folder and a port on loopback.

    The subclass says how the program is called and when it is ready.
    """

    name: ClassVar[str]
    stop_signal: ClassVar[int] = signal.SIGTERM

    def __init__(self, folder: Path, port: int, log: Path | None = None) -> None:
        self.folder = folder
        self.port = port
        self.log = log or folder.with_suffix(".log")
        self.account: Account | None = None
        self.child: Child | None = None

    def command(self) -> Sequence[str | Path]:
        """Return the program and its arguments."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Make what the program needs before it starts."""
        self.folder.mkdir(parents=True, exist_ok=True)

    def answers(self) -> bool:
        """Tell whether the server does its work by now."""
        raise NotImplementedError

    @property
    def pid(self) -> int:
        """The id of the running process."""
        assert self.child is not None, f"{self.name} was not started"
        return self.child.pid

    def start(self) -> None:
        """Start the server and wait until it answers; raise CannotStart."""
        self.spawn()
        self.wait()

    def spawn(self) -> Child:
        """Start the process, and don't wait for it. Call this from the main thread (leash.py)."""
        if why := ports.obstacle(HOST, self.port):
            raise CannotStart(f"{self.name} needs port {self.port}, which {why}")
        self.prepare()
        self.child = self._run(self.command())
        return self.child

    def wait(self, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Wait until the server answers; raise CannotStart with its last words.

        ``meanwhile`` is called again and again, and may raise to give up.
        """
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            if self.child is None or self.child.status is not None:
                raise CannotStart(f"{self.name} did not start: {self.last_words()}")
            if time.monotonic() > deadline:
                raise CannotStart(f"{self.name} is not ready after {START_SECONDS:.0f} s")
            meanwhile()
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """Stop the server in order; it may be started again."""
        if self.child is not None:
            self.child.signal(signal.SIGCONT)
            child.stop([self.child], STOP_SECONDS)
            self.child = None

    def kill(self) -> None:
        """Kill the server as a crash would; it may be started again."""
        if self.child is not None:
            self.child.kill()
            self.child = None

    def pause(self) -> None:
        """Freeze the process: its sockets stay open, and nothing answers."""
        assert self.child is not None
        self.child.signal(signal.SIGSTOP)
        os.waitpid(self.pid, os.WUNTRACED)  # until its last thread has stopped

    def resume(self) -> None:
        """Let a frozen process go on."""
        assert self.child is not None
        self.child.signal(signal.SIGCONT)

    def last_words(self) -> str:
        """Return the last line of the server's log."""
        lines = self.log.read_text(errors="replace").split("\n") if self.log.exists() else []
        said = [line.strip() for line in lines if line.strip()]
        return f"{said[-1] if said else 'it said nothing'} (all of it: {self.log})"

    def _run(self, argv: Sequence[str | Path]) -> Child:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        with self.log.open("ab") as output:
            return Child(
                argv,
                output=output,
                cwd=self.folder,
                account=self.account,
                stop_signal=self.stop_signal,
                death_signal=self.stop_signal,
            )


def first_line(port: int, request: bytes = b"") -> bytes:
    """Return the first line that a server on loopback answers, or nothing."""
    try:
        with socket.create_connection((HOST, port), timeout=1) as connection:
            connection.sendall(request)
            return connection.makefile("rb").readline()
    except OSError:
        return b""
