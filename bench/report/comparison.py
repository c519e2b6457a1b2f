"""A run beside an earlier one, operation by operation."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.report import aims
from bench.report.results import Results
from bench.report.tables import Row, table
from embedded.errors import CannotStart

TITLES = (
    *("operation", "links", "connections", "requests/s before", "now", "now : before"),
    *("p50 ms before", "now", "CPU s per 1,000 before", "now"),
)
OLD_NAMES = {"list by tag": aims.BY_TAG}  # before sizes were side by side

Cells = dict[tuple[str, int, int], dict[str, Any]]
Cpu = dict[tuple[str, int], float]


def read(path: Path) -> dict[str, Any]:
    """Read an earlier result; raise CannotStart."""
    try:
        document: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise CannotStart(f"{path} is no result to compare with: {error}") from None
    return document


def markdown(before: dict[str, Any], results: Results) -> str:
    """Return the comparison."""
    earlier = _cells(before)
    rows = list(_rows(earlier, _cpu(before), results))
    return f"## Compared with {before['machine']['at']}\n\n{table(TITLES, rows)}\n"


def _rows(earlier: Cells, earlier_cpu: Cpu, results: Results) -> Iterator[Row]:
    for name, sizes in results.figures.items():
        for size, cells in sizes.items():
            for connections, figure in cells.items():
                was = earlier.get((name, size, connections))
                if not was:
                    continue
                cpu = ["", ""]
                if connections == aims.TOGETHER:
                    now = sum(results.cpu_ms.get(name, {}).get(size, {}).values())
                    cpu = [f"{earlier_cpu.get((name, size), 0):.2f}", f"{now:.2f}"]
                yield (
                    *(name, f"{size:,}" if size else "any", str(connections)),
                    *(f"{was['rate']:,.0f}", f"{figure.rate:,.0f}"),
                    f"{figure.rate / was['rate']:.2f}",
                    *(f"{was['p50']:.1f}", f"{figure.p50:.1f}", *cpu),
                )


def _cells(document: dict[str, Any]) -> Cells:
    found: Cells = {}
    for name, size, by_connections in _by_size(document, "figures"):
        for connections, figure in by_connections.items():
            found[name, size, int(connections)] = figure
    return found


def _cpu(document: dict[str, Any]) -> Cpu:
    return {
        (name, size): sum(by_process.values())
        for name, size, by_process in _by_size(document, "cpu_ms")
    }


def _by_size(document: dict[str, Any], key: str) -> Iterator[tuple[str, int, dict[str, Any]]]:
    for name, found in document.get(key, {}).items():
        if "links" in document:  # one size, which the operations did not name
            any_size = name in (aims.TRIVIAL, aims.NEWS)
            yield OLD_NAMES.get(name, name), 0 if any_size else document["links"], found
        else:
            for size, of_size in found.items():
                yield name, int(size), of_size
