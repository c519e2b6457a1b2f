"""The table of counts in docs/performance.md: what is promised, compared with what is counted."""

import re
from collections.abc import Iterable
from dataclasses import astuple
from pathlib import Path

from bench.count.meter import Counts
from bench.report.tables import table

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "performance.md"
TITLES = ("request", "SQL statements", "round trips", "RPC calls", "gRPC calls", "Valkey commands")
_TABLE = re.compile(r"^\| request +\| SQL statements(?:.*\n)+?(?=\n)", re.MULTILINE)


def read(text: str) -> dict[str, Counts]:
    """Return the counts that the document states."""
    lines = _found(text)[0].splitlines()[2:]
    rows = ([cell.strip() for cell in line.split("|")[1:-1]] for line in lines)
    return {name: Counts(*map(int, numbers)) for name, *numbers in rows}


def replace(text: str, counted: dict[str, Counts]) -> str:
    """Return the document with what was counted."""
    found = _found(text)
    return text[: found.start()] + markdown(counted) + "\n" + text[found.end() :]


def markdown(counted: dict[str, Counts]) -> str:
    """Return the table."""
    return table(TITLES, ((name, *map(str, astuple(counts))) for name, counts in counted.items()))


def differences(stated: dict[str, Counts], counted: dict[str, Counts]) -> Iterable[str]:
    """Say where the document is wrong."""
    for name in stated | counted:
        if stated.get(name) != counted.get(name):
            yield f"{name}: {DOCUMENT.name} says {stated.get(name)}, counted is {counted.get(name)}"


def _found(text: str) -> re.Match[str]:
    found = _TABLE.search(text)
    assert found, f"{DOCUMENT.name} has lost its table of counts"
    return found
