"""A process of ours: started on the leash, stopped politely, never left behind."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from embedded.account import Account

LEASH = Path(__file__).with_name("leash.py")


class Child:
    """One running process, in a session of its own: a Ctrl-C in the terminal doesn't reach it."""

    def __init__(
        self,
        argv: Sequence[str | Path],
        *,
        output: IO[bytes] | int,
        cwd: Path,
        account: Account | None = None,
        death_signal: int = signal.SIGKILL,
    ) -> None:
        uid, gid = (account.uid, account.gid) if account else (-1, -1)
        leash = [sys.executable, "-I", "-S", LEASH, os.getpid(), int(death_signal), uid, gid]
        self.process = subprocess.Popen(
            [str(part) for part in [*leash, *argv]],
            cwd=cwd,
            stdin=subprocess.DEVNULL,
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

    def stop(self, signum: int, grace_seconds: float) -> int:
        """Ask it to stop, kill it when it doesn't in time, and return its exit status."""
        self.signal(signum)
        try:
            return self.process.wait(grace_seconds)
        except subprocess.TimeoutExpired:
            return self.kill()

    def kill(self) -> int:
        """Kill it and what it has started, and return its exit status."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        return self.process.wait()
