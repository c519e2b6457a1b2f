"""Bring the databases up to date before the services start; look first whether they are."""

import ast
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg2

from embedded.child import Child
from embedded.errors import CannotStart
from embedded.lookups import WITHOUT_RESOLVER
from embedded.settings import Settings

POLL_SECONDS = 0.05
# eventlet 0.41.3 warns of its own deprecation whenever it is imported, first of all by nameko.
IN_SILENCE = ("-W", "ignore:::nameko.extensions")


def prepare(settings: Settings) -> Child:
    """Start the process that migrates; it imports what it needs, and waits to be told what to do.

    One for all services: what it imports takes longer than what it does.
    """
    argv = [sys.executable, *IN_SILENCE, "-m", "embedded.upgrade"]
    env = WITHOUT_RESOLVER  # PostgreSQL's driver has one of its own
    return Child(argv, output=subprocess.PIPE, cwd=settings.root, env=env, stdin=subprocess.PIPE)


def upgrade(
    settings: Settings, meanwhile: Callable[[], None], prepared: Child | None = None
) -> None:
    """Run ``alembic upgrade head`` for each service that needs it.

    ``meanwhile`` is called again and again, and may raise to give up.
    """
    uris: dict[str, str] = settings.get("DB_OWNER_URIS")
    behind = [key.partition(":")[0] for key, uri in uris.items() if _is_behind(settings, key, uri)]
    if not behind and prepared is None:
        return
    child = prepared or prepare(settings)
    said = _outcome(child, " ".join(behind).encode(), meanwhile)
    if child.status != 0:
        last = said.decode(errors="replace").strip().rpartition("\n")[2]
        raise CannotStart(last or "the migrations of the databases failed without a word")


def _outcome(child: Child, order: bytes, meanwhile: Callable[[], None]) -> bytes:
    to_say: bytes | None = order  # once
    while True:
        try:
            said: bytes = child.process.communicate(to_say, timeout=POLL_SECONDS)[0]
            return said
        except subprocess.TimeoutExpired:
            to_say = None
            meanwhile()


def _is_behind(settings: Settings, key: str, uri: str) -> bool:
    """Tell whether alembic has anything to do, in a hundredth of the time it takes to ask it."""
    try:
        connection = psycopg2.connect(uri.replace("+psycopg2", ""), connect_timeout=5)
    except psycopg2.Error:
        return True  # alembic knows how to say what is wrong
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT version_num FROM alembic_version")
            found = {version for (version,) in cursor.fetchall()}
    except psycopg2.Error:
        return True
    finally:
        connection.close()
    return found != heads(settings.root / key.partition(":")[0] / "migrations/versions")


def heads(folder: Path) -> set[object]:
    """Return the revisions on which no other one builds."""
    written = [_assignments(path) for path in folder.glob("[!_]*.py")]
    return {each["revision"] for each in written} - {each["down_revision"] for each in written}


def _assignments(path: Path) -> dict[str, object]:
    """Return the constants that a module assigns to names."""
    found: dict[str, object] = {}
    for statement in ast.parse(path.read_text()).body:
        if isinstance(statement, ast.Assign):
            target, value = statement.targets[0], statement.value
        elif isinstance(statement, ast.AnnAssign) and statement.value:
            target, value = statement.target, statement.value
        else:
            continue
        if isinstance(target, ast.Name) and isinstance(value, ast.Constant):
            found[target.id] = value.value
    return found
