"""Counts what a request asks of the servers."""

import http.client
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass

from bench.count import nats, postgres, valkey
from embedded import ports, servers
from embedded.nats import NatsServer
from embedded.postgres import PostgresServer
from embedded.settings import Settings
from embedded.valkey import ValkeyServer

QUIET_SECONDS = 0.05
QUIET_AT_LAST = 5.0
GRPC_CALLS = re.compile(r"^grpc_requests_total\{.*GetNews.*\} (\S+)", re.MULTILINE)


@dataclass(frozen=True)
class Counts:
    """What one request sends."""

    statements: int  # of SQL, without what wraps them
    round_trips: int  # to PostgreSQL, with what wraps the statements
    rpc: int
    grpc: int
    commands: int  # of Valkey; a script is one

    @classmethod
    def least(cls, found: Sequence["Counts"]) -> "Counts":
        """Return what every one of them has: what runs beside requests is not in all."""
        return cls(*map(min, zip(*map(astuple, found), strict=True)))


class Meter:
    """Counts from the outside of the servers: nothing in the services knows of it."""

    def __init__(
        self,
        log: postgres.StatementLog,
        tap: nats.Tap,
        monitor: valkey.Monitor,
        news_metrics: int,
    ) -> None:
        self._log = log
        self._tap = tap
        self._monitor = monitor
        self._news_metrics = news_metrics

    def count(self, request: Callable[[], object]) -> Counts:
        """Count what a request sends until it is answered."""
        grpc = self._grpc_calls()
        self._log.units(), self._tap.subjects(), self._monitor.commands()
        request()
        units, subjects, commands = (
            self._log.units(),
            self._tap.subjects(),
            self._monitor.commands(),
        )
        own = [unit for unit in units if postgres.is_of_a_request(unit)]
        return Counts(
            statements=sum(sum(map(postgres.is_work, unit)) for unit in own),
            round_trips=sum(map(postgres.round_trips, own)),
            rpc=nats.calls(subjects),
            grpc=self._grpc_calls() - grpc,
            commands=len(commands),
        )

    def settle(self) -> None:
        """Wait until the work that requests have left behind is done."""
        deadline = time.monotonic() + QUIET_AT_LAST
        busy = True
        while busy and time.monotonic() < deadline:
            time.sleep(QUIET_SECONDS)
            busy = bool(nats.calls(self._tap.subjects())) | bool(self._monitor.commands())

    def _grpc_calls(self) -> int:
        connection = http.client.HTTPConnection(ports.LOOPBACK, self._news_metrics, timeout=20)
        with closing(connection):
            connection.request("GET", "/metrics")
            text = connection.getresponse().read().decode()
        return int(sum(float(number) for number in GRPC_CALLS.findall(text)))


@contextmanager
def metering(settings: Settings) -> Iterator[Meter]:
    """Watch the servers of a running system of ours while the block runs."""
    running = {type(server): server for server, _ in servers.wanted(settings)}
    database = running[PostgresServer]
    assert isinstance(database, PostgresServer)
    with (
        postgres.StatementLog(database) as log,
        closing(nats.Tap(running[NatsServer].port)) as tap,
        closing(valkey.Monitor(running[ValkeyServer].port)) as monitor,
    ):
        yield Meter(log, tap, monitor, settings.port("HTTP_PORTS.news_svc"))
