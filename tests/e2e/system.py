"""The whole system as ``make run`` starts it, on ports and data of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from embedded import claims, ports, servers
from embedded.settings import Settings
from tests.e2e.api import Api

ROOT = Path(__file__).resolve().parents[2]
# Tests are more eager than people; those of the limits set their own.
RATE_LIMITS = tuple(f"RATE_LIMIT_{name}" for name in ("TOKEN", "ADDRESS", "SIGN_IN", "FAILURES"))
START_SECONDS = 90
STOP_SECONDS = 40


def eventually(what: Callable[[], object], seconds: float = 10) -> bool:
    """Poll until ``what`` is true, and tell whether it came true in time."""
    deadline = time.monotonic() + seconds
    while not what():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def is_alive(process: psutil.Process) -> bool:
    """Tell whether a process still runs; one that only nobody has buried yet does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def own_environment(data: Path) -> dict[str, str]:
    """Return an environment in which every port is free, and the data are in ``data``."""
    settings = Settings(ROOT)
    claimed = [claim for _, claim in servers.wanted(settings)] + claims.of_services(settings)
    moved = {settings.variable(claim.key): str(ports.free_port()) for claim in claimed}
    lifted = {settings.variable(key): "off" for key in RATE_LIMITS}
    return os.environ | moved | lifted | {settings.variable("DATA_DIR"): str(data)}


class System:
    """A system that a test may start, stop, kill, and start again with the same data."""

    def __init__(self, folder: Path) -> None:
        self.env = own_environment(folder / "var")
        self.command = [sys.executable, "-m", "embedded", "run"]
        self.output = folder / "output.txt"
        self.process: subprocess.Popen[bytes] | None = None
        self.url = f"http://localhost:{self.port('HTTP_PORTS.gateway')}"

    def port(self, key: str) -> int:
        """Return the port that a key of config.yaml has here."""
        return int(self.env[Settings(ROOT).variable(key)])

    def start(self) -> None:
        """Start everything, and wait until the runner says that it runs."""
        self.launch()
        assert eventually(self._settled, START_SECONDS), self.said()
        assert "Delinkcious is running" in self.said(), self.said()

    def launch(self) -> subprocess.Popen[bytes]:
        """Start everything, and don't wait."""
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                self.command,
                cwd=ROOT,
                env=self.env,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self.process

    def stop(self, signum: int = signal.SIGINT) -> int:
        """Stop everything as Ctrl-C in a terminal does, and return the exit status."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            os.killpg(self.process.pid, signum)
        status = self.process.wait(STOP_SECONDS)
        self.process = None
        return status

    def said(self) -> str:
        """Return everything that the runner has printed."""
        return self.output.read_text(errors="replace")

    def processes(self) -> list[psutil.Process]:
        """Return the runner and all that it has started."""
        assert self.process is not None
        runner = psutil.Process(self.process.pid)
        return [runner, *runner.children(recursive=True)]

    def pid(self, service: str) -> int:
        """Return the process id of a service."""
        (found,) = (each for each in self.processes() if f"{service}.service" in each.cmdline())
        return int(found.pid)

    def restart(self, service: str) -> None:
        """Kill a service, and wait until the runner has it running again."""
        before = self.pid(service)
        os.kill(before, signal.SIGKILL)
        assert eventually(lambda: self._runs_again(service, before), START_SECONDS), self.said()

    def token(self, name: str) -> str:
        """Sign in, and return an access token."""
        command = [sys.executable, "-m", "embedded", "token", name]
        done = subprocess.run(command, cwd=ROOT, env=self.env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def api(self, name: str) -> Api:
        """Sign in, and return the person's API."""
        return Api(self.url, self.token(name))

    def is_ready(self) -> bool:
        """Tell whether the gateway says that everything serves."""
        try:
            return Api(self.url).call("GET", "/health/ready").status_code == 200
        except OSError:
            return False

    def _settled(self) -> bool:
        assert self.process is not None
        return "Delinkcious is running" in self.said() or self.process.poll() is not None

    def _runs_again(self, service: str, before: int) -> bool:
        try:
            return self.pid(service) != before and self.is_ready()
        except (ValueError, psutil.NoSuchProcess):
            return False
