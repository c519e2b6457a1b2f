"""What is sent to PostgreSQL, as its own log of statements has it: nothing escapes it."""

import re
from collections.abc import Iterable, Iterator
from types import TracebackType

from embedded.postgres import PostgresServer

# What works beside the requests, at any moment: the relay of the outbox, and health checks.
BESIDE = re.compile(
    r"outbox_lease|WITH lease AS|DELETE FROM outbox|EXECUTE outbox_|to_regclass|'nobody'"
    r"|^PREPARE |pg_backend_pid"  # once for each connection
)
# What a driver or a pool sends of its own accord, around the statements that are the work.
BEGINS = re.compile(r"BEGIN[^;]*$|SELECT 1$", re.IGNORECASE)
ALONG = re.compile(r"BEGIN;", re.IGNORECASE)  # with what follows, one round trip
ENDS = re.compile(r"COMMIT|ROLLBACK$", re.IGNORECASE)
ENDS_ALONG = re.compile(r".*; *COMMIT$", re.IGNORECASE)  # after the last statement, likewise
SETS = re.compile(r"SET |SHOW |SAVEPOINT|RELEASE|ROLLBACK TO|DISCARD", re.IGNORECASE)
SETTINGS = {"log_statement": "all", "log_line_prefix": "%p|"}
_LINE = re.compile(r"(\d+)\|LOG:  (?:statement|execute [^:]*): (.*)")


class StatementLog:
    """Writes down every statement while the block runs."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self._read = 0

    def __enter__(self) -> "StatementLog":
        for name, value in SETTINGS.items():
            self._server.execute(f"ALTER SYSTEM SET {name} = %s", value)
        self._reload()
        self.units()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for name in SETTINGS:
            self._server.execute(f"ALTER SYSTEM RESET {name}")
        self._reload()

    def units(self) -> list[list[str]]:
        """Return what was sent since the last call, unit of work by unit of work."""
        with self._server.log.open("rb") as log:
            log.seek(self._read)
            written = log.read()
        # A line that is half written is read as a whole the next time.
        written = written[: written.rfind(b"\n") + 1]
        self._read += len(written)
        return list(units(written.decode(errors="replace").splitlines()))

    def _reload(self) -> None:
        self._server.execute("SELECT pg_reload_conf()")


def units(lines: Iterable[str]) -> Iterator[list[str]]:
    """Put together what belongs together on each connection: a transaction, with its wrapping."""
    opened: dict[str, list[str]] = {}
    for line in lines:
        found = _LINE.match(line)
        if not found:
            continue
        session, statement = found.groups()
        unit = opened.get(session, [])
        if unit and _is_complete(unit) and not SETS.match(statement):
            yield opened.pop(session)
            unit = []
        opened[session] = [*unit, statement]
    yield from opened.values()


def is_work(statement: str) -> bool:
    """Tell whether a statement is the work, and not its wrapping."""
    said = ALONG.sub("", statement, count=1)
    return not any(wrapping.match(said) for wrapping in (BEGINS, ENDS, SETS))


def round_trips(unit: Iterable[str]) -> int:
    """Return how often a unit asks the server, whatever its connection was used for before.

    A driver sends SET when that was something else, and nothing when it was the same.
    """
    return sum(not statement.startswith("SET ") for statement in unit)


def is_of_a_request(unit: Iterable[str]) -> bool:
    """Tell whether a unit is a request's, and has not only begun or only ended."""
    work = list(filter(is_work, unit))
    return bool(work) and not any(map(BESIDE.search, work))


def _is_complete(unit: list[str]) -> bool:
    if any(statement.upper().startswith("BEGIN") for statement in unit):
        return any(ENDS.match(each) or ENDS_ALONG.match(each) for each in unit)
    return any(map(is_work, unit))
