"""A system of the benchmark's own, started as ``make run`` does: free ports, fresh data."""

import http.client
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

from embedded import claims, ports, servers
from embedded.child import Child
from embedded.errors import CannotStart
from embedded.settings import Settings

# What is measured is the system, and not what it allows.
RATE_LIMITS = tuple(f"RATE_LIMIT_{name}" for name in ("TOKEN", "ADDRESS", "SIGN_IN", "FAILURES"))
START_SECONDS = 120.0
MOST_LINKS = 1_000_000
STOP_SECONDS = 40.0
POLL_SECONDS = 0.01


class OwnSystem:
    """Runs until the end of the ``with`` block; its data folder goes with it."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.root = root
        self.folder = folder
        self.runner: Child | None = None

    def __enter__(self) -> "OwnSystem":
        settings = Settings(self.root)
        _refuse_servers_of_others(settings)
        # A name of config.yaml that is in the environment is set there for another system.
        claimed = [claim for _, claim in servers.wanted(settings)] + claims.of_services(settings)
        for claim in claimed:
            os.environ[settings.variable(claim.key)] = str(ports.free_port())
        for key in RATE_LIMITS:
            os.environ[settings.variable(key)] = "off"
        os.environ[settings.variable("MAX_LINKS_PER_USER")] = str(MOST_LINKS)
        os.environ[settings.variable("DATA_DIR")] = str(self.folder / "data")
        os.environ.pop(settings.variable("PUBLIC_URL"), None)
        self.folder.mkdir(parents=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self) -> float:
        """Start everything; return the seconds until it was ready. Raise CannotStart."""
        gateway = Settings(self.root).port("HTTP_PORTS.gateway")
        log = self.folder / "output.txt"
        began = time.perf_counter()
        with log.open("wb") as output:
            command = [sys.executable, "-m", "embedded", "run"]
            self.runner = Child(command, output=output, cwd=self.root, death_signal=signal.SIGTERM)
        while not _is_ready(gateway):
            if self.runner.status is not None or time.perf_counter() - began > START_SECONDS:
                raise CannotStart(f"the system did not start: {log.read_text()[-1000:]}")
            time.sleep(POLL_SECONDS)
        return time.perf_counter() - began

    def stop(self) -> float:
        """Stop everything as Ctrl-C does; return how many seconds that took."""
        began = time.perf_counter()
        if self.runner is not None:
            self.runner.signal(signal.SIGINT)
            try:
                self.runner.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.runner.kill()
            self.runner = None
        return time.perf_counter() - began


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection(ports.LOOPBACK, port, timeout=5)
    try:
        connection.request("GET", "/health/ready")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _refuse_servers_of_others(settings: Settings) -> None:
    """Raise CannotStart if the benchmark would write into servers that it did not start."""
    names = {server.name for server, _ in servers.wanted(settings)}
    if len(names) < 3 or len(servers.databases(settings)) < len(settings.get("DB_URIS")):
        raise CannotStart(
            "the benchmark starts servers of its own: unset the addresses of others in the "
            "environment, or measure a running system with make bench URL=..."
        )
