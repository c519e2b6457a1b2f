"""The whole system: servers, migrations, five services; all up at once, and down in order."""

import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import IO

from embedded import binaries, child, claims, folder, lookups, migrations, readiness, servers
from embedded.child import Child
from embedded.console import Console
from embedded.errors import CannotStart
from embedded.postgres import PostgresServer
from embedded.server import Server
from embedded.settings import Settings
from embedded.signals import Signals
from embedded.unit import Unit

READY_SECONDS = 60.0
TELL_SECONDS = 10.0
POLL_SECONDS = 0.05  # while something is not ready, or waits to be started again
LOOK_SECONDS = 1.0  # else; whatever ends, and whoever asks us to stop, wakes us
SAME_REQUEST_SECONDS = 0.5
KILL_AFTER_SECONDS = 2.0  # beyond the grace that a service takes for itself
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stop(Exception):
    """Somebody asked the system to stop."""


class System:
    """Run everything that config.yaml describes, until somebody asks to stop."""

    def __init__(self, settings: Settings, *, with_parent: bool = False) -> None:
        self.settings = settings
        self.console = Console()
        self.servers: list[Server] = []
        self.services: dict[str, Child] = {}
        self.units: list[Unit] = []
        self.lock: IO[bytes] | None = None
        self.asked = 0
        self.asked_at = -math.inf
        self.parent = os.getppid() if with_parent else None

    def run(self) -> None:
        """Start, serve and stop; raise CannotStart when something does not start or stay up."""
        for signum in SIGNALS:
            signal.signal(signum, self._ask_to_stop)
        self.signals = Signals()
        try:
            self._start()
            self._wait_until_ready()
            self.console.say(self._welcome())
            while True:
                self._tend(LOOK_SECONDS)
        except Stop:
            self.console.say("\nstopping (Ctrl-C again: at once)")
        finally:
            self._stop()
        self.console.say("stopped")

    def _start(self) -> None:
        wanted = servers.wanted(self.settings)
        claims.check(
            [*(claim for _, claim in wanted), *claims.of_services(self.settings)], self.settings
        )
        self.lock = folder.take(self.settings.data)
        self.servers = [server for server, _ in wanted]
        self.console.say(f"starting {_list(self.servers)} and the services ...")
        units = [Unit(server.name, server.spawn) for server in self.servers]
        units += [Unit(name, self._starter(name)) for name in self.settings.get("HTTP_PORTS")]
        # Services wait for what they need by themselves. PostgreSQL is last, since its first start
        # waits for initdb: meanwhile the others come up.
        migrator: Child | None = None
        for unit in sorted(units, key=lambda unit: unit.name == PostgresServer.name):
            self._check_asked()
            if unit.name == PostgresServer.name and self._is_first_start():
                migrator = migrations.prepare(self.settings)
            unit.start()
            self.units.append(unit)
        for server in self.servers:
            server.wait(self._check_asked)
            if isinstance(server, PostgresServer):
                for database in servers.databases(self.settings):
                    server.ensure_database(database)
        migrations.upgrade(self.settings, self._check_asked, migrator)

    def _is_first_start(self) -> bool:
        return any(
            isinstance(server, PostgresServer) and not server.folder.exists()
            for server in self.servers
        )

    def _starter(self, name: str) -> Callable[[], Child]:
        nameko = [sys.executable, *migrations.IN_SILENCE, str(binaries.script("nameko"))]
        argv = [*nameko, "run", "--config", "config.yaml", f"{name}.service"]
        env = lookups.environment(self.settings)

        def start() -> Child:
            service = Child(argv, output=subprocess.PIPE, cwd=self.settings.root, env=env)
            assert service.process.stdout is not None
            self.console.follow(name, service.process.stdout)
            self.services[name] = service
            return service

        return start

    def _tend(self, seconds: float = POLL_SECONDS) -> None:
        self._check_asked()
        for unit in self.units:
            unit.tend(self.console.say)
        self.signals.wait(seconds if all(unit.runs for unit in self.units) else POLL_SECONDS)

    def _wait_until_ready(self) -> None:
        """Wait until nothing is missing; say what is, from time to time."""
        began = told = time.monotonic()
        while missing := self._missing():
            self._tend()
            now = time.monotonic()
            if now - began > READY_SECONDS:
                raise CannotStart(f"not ready after {READY_SECONDS:.0f} s: {missing}")
            if now - told > TELL_SECONDS:
                told = now
                self.console.say(f"not ready yet: {missing}")

    def _missing(self) -> str:
        return readiness.missing(self.settings.port("HTTP_PORTS.gateway"))

    def _welcome(self) -> str:
        url = self.settings.get("PUBLIC_URL")
        return (
            f"\n  Delinkcious is running.\n\n"
            f"    open in a browser     {url}\n"
            f"    a token for a shell   make token USER=alice\n"
            f"    sample data           make demo\n"
            f"    data and logs         {self.settings.data}\n"
            f"    stop                  Ctrl-C\n"
        )

    def _stop(self) -> None:
        """Stop the services, which finish what they have begun, and then what they lean on."""
        grace = float(self.settings.get("STOP_GRACE_SECONDS")) + KILL_AFTER_SECONDS
        child.stop(list(self.services.values()), grace, at_once=self._asked_again)
        running = [server.child for server in self.servers if server.child]
        child.stop(running, grace, at_once=self._asked_again)
        self.console.drain()

    def _asked_again(self) -> bool:
        return self.asked > 1

    def _ask_to_stop(self, signum: int, frame: FrameType | None) -> None:
        # One request may arrive twice: from the terminal, and handed on by make.
        now = time.monotonic()
        if now - self.asked_at > SAME_REQUEST_SECONDS:
            self.asked += 1
        self.asked_at = now

    def _check_asked(self) -> None:
        if self.asked or (self.parent is not None and os.getppid() != self.parent):
            raise Stop


def _list(servers: list[Server]) -> str:
    return ", ".join(server.name for server in servers) or "no server"
