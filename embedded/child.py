"""A process of ours: started on the leash, stopped politely, never left behind."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from embedded.account import Account

LEASH = Path(__file__).with_name("leash.py")
POLL_SECONDS = 0.01


class Child:
    """One running process, in a session of its own: a Ctrl-C in the terminal doesn't reach it.

    It stops on ``stop_signal``, and gets ``death_signal`` if we end without stopping it.
    ``env`` is what it finds in its environment besides ours.
    """

    def __init__(
        self,
        argv: Sequence[str | Path],
        *,
        output: IO[bytes] | int,
        cwd: Path,
        account: Account | None = None,
        env: Mapping[str, str] | None = None,
        stdin: int = subprocess.DEVNULL,
        stop_signal: int = signal.SIGTERM,
        death_signal: int = signal.SIGKILL,
    ) -> None:
        self.stop_signal = stop_signal
        uid, gid = (account.uid, account.gid) if account else (-1, -1)
        leash = [sys.executable, "-I", "-S", LEASH, os.getpid(), int(death_signal), uid, gid]
        self.process = subprocess.Popen(
            [str(part) for part in [*leash, *argv]],
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdin=stdin,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        """The process's id, which is that of its process group too."""
        return self.process.pid

    @property
    def status(self) -> int | None:
        """The exit status, minus the signal's number if one killed it; None while it runs."""
        return self.process.poll()

    def signal(self, signum: int) -> None:
        """Send a signal; a process that has gone is no error."""
        self.process.send_signal(signum)

    def kill(self) -> int:
        """Kill it and what it has started, and return its exit status."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        return self.process.wait()


def stop(
    children: Sequence[Child], grace_seconds: float, at_once: Callable[[], bool] = lambda: False
) -> None:
    """Ask processes to stop; kill those that don't in time, or as soon as ``at_once`` says so."""
    for child in children:
        child.signal(child.stop_signal)
    deadline = time.monotonic() + grace_seconds
    while any(child.status is None for child in children):
        if time.monotonic() > deadline or at_once():
            break
        time.sleep(POLL_SECONDS)
    for child in children:
        if child.status is None:
            child.kill()
