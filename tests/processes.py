"""Services as processes: started by ``nameko run`` as users start them, stopped by process id."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import yaml

T = TypeVar("T")
ROOT = Path(__file__).parent.parent


def until(check: Callable[[], T], seconds: float = 30.0) -> T:
    """Return what the check returns as soon as it is true; fail after some seconds."""
    deadline = time.monotonic() + seconds
    error: BaseException | None = None
    while time.monotonic() < deadline:
        try:
            found = check()
        except Exception as raised:
            error = raised
        else:
            error = None
            if found:
                return found
        time.sleep(0.02)
    raise AssertionError(f"not so within {seconds} seconds: {check}") from error


class ServiceProcess:
    """One ``nameko run`` of one or more services."""

    def __init__(
        self,
        *services: str,
        config: dict[str, Any],
        folder: Path,
        env: dict[str, str] | None = None,
    ) -> None:
        self.services = services
        self.log = folder / f"{services[0]}-{id(self)}.log"
        self.config = folder / f"{services[0]}-{id(self)}.yaml"
        self.config.write_text(yaml.safe_dump(config))
        self.env = {**os.environ, **(env or {})}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> "ServiceProcess":
        """Start the process; it may take a while until it serves."""
        command = [sys.executable, "-m", "nameko", "run", "--config", str(self.config)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, *self.services], cwd=ROOT, env=self.env, stdout=log, stderr=log
            )
        return self

    @property
    def pid(self) -> int:
        """Return the process id."""
        assert self.process is not None
        return self.process.pid

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        os.kill(self.pid, number)

    def alive(self) -> bool:
        """Say whether the process runs."""
        return self.process is not None and self.process.poll() is None

    def wait(self, seconds: float = 15.0) -> int:
        """Wait for the end; return the exit status."""
        assert self.process is not None
        return self.process.wait(seconds)

    def stop(self) -> int:
        """End the process with SIGTERM, or by force; return the exit status."""
        if not self.alive():
            return self.wait()
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        try:
            return self.wait()
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGKILL)
            return self.wait()
