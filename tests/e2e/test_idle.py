"""A system that nobody uses hardly wakes up: what does, is listed in docs/performance.md."""

import time
from dataclasses import dataclass

import psycopg2
from redis import Redis

from tests.e2e.survival import SERVICES, parts
from tests.e2e.system import System
from tests.processes import until

SECONDS = 4.0
SETTLE_SECONDS = 40.0
# Half as many again as were counted.
WAKES_A_SECOND = 15
RUNNERS_WAKES_A_SECOND = 4
TRANSACTIONS_A_SECOND = 5
COMMANDS_A_SECOND = 5


@dataclass(frozen=True)
class Counts:
    """How often something has happened by now."""

    wakes: dict[str, int]  # how often each process stopped to wait, and went on
    transactions: int
    commands: int

    @classmethod
    def of(cls, system: System) -> "Counts":
        runner, *_ = system.processes()
        watched = {name: part for name, part in parts(system).items() if name in SERVICES}
        wakes = {
            name: sum(_switches(process.pid))
            for name, process in {**watched, "runner": runner}.items()
        }
        with Redis(port=system.port("EMBEDDED.VALKEY_PORT")) as valkey:
            commands = valkey.info("stats")["total_commands_processed"]
        return cls(wakes, _transactions(system), commands)


def _switches(pid: int) -> list[int]:
    """Return the voluntary context switches of the process's first thread."""
    with open(f"/proc/{pid}/status") as status:
        return [int(line.split()[1]) for line in status if line.startswith("voluntary_ctxt")]


def _transactions(system: System) -> int:
    uri = f"postgresql://link_svc@127.0.0.1:{system.port('EMBEDDED.POSTGRES_PORT')}/link_svc"
    connection = psycopg2.connect(uri)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT sum(xact_commit + xact_rollback) FROM pg_stat_database")
            return int(cursor.fetchone()[0])
    finally:
        connection.close()


def is_idle(system: System) -> bool:
    """Watch for a while; tell whether no more has happened than the page says."""
    before = Counts.of(system)
    time.sleep(SECONDS)
    after = Counts.of(system)
    wakes = {name: after.wakes[name] - before.wakes[name] for name in after.wakes}
    transactions, commands = (
        after.transactions - before.transactions,
        after.commands - before.commands,
    )
    print(f"\nin {SECONDS} s: {wakes}, {transactions} transactions, {commands} commands")
    return (
        wakes.pop("runner") <= RUNNERS_WAKES_A_SECOND * SECONDS
        and max(wakes.values()) <= WAKES_A_SECOND * SECONDS
        and transactions <= TRANSACTIONS_A_SECOND * SECONDS
        and commands <= COMMANDS_A_SECOND * SECONDS
    )


def test_system_that_nobody_uses_hardly_wakes_up(system: System) -> None:
    until(lambda: is_idle(system), SETTLE_SECONDS)  # what other tests have begun may go on first
