"""The results as JSON for programs, and as Markdown for people; tables line up in both worlds."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from bench import aims
from bench.count import document
from bench.results import Results
from bench.tables import Row, table
from bench.usage import RUNNER


def write(results: Results, folder: Path) -> str:
    """Write both files into the folder; return the Markdown."""
    text = markdown(results)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.md").write_text(text)
    (folder / "results.json").write_text(json.dumps(asdict(results), indent=2) + "\n")
    return text


def markdown(results: Results) -> str:
    """Return everything that was measured."""
    machine = results.machine
    parts = [
        "# Benchmark",
        f"{machine['at']}, {machine['cores']} cores, {machine['system']}, "
        f"Python {machine['python']}, load average before: {machine['load_average_before']:.1f}. "
        f"The writer has {results.links:,} links. Medians of several runs; all of it took "
        f"{results.seconds:.0f} s.",
        "## HTTP, over connections that stay open",
        table(
            ["operation", "connections", "requests/s", "p50 ms", "p99 ms", "errors", "aim"],
            _operations(results),
        ),
        "The trivial server does nothing but answer: that much the load generator itself can do.",
    ]
    if others := list(_others(results)):
        parts += ["## The rest", table(["what", "measured", "aim"], others)]
    parts += _by_process(results)
    if results.counts:
        parts += ["## What a request costs, in round trips", document.markdown(results.counts)]
    return "\n\n".join(parts) + "\n"


def _operations(results: Results) -> Iterator[Row]:
    for name, figures in results.figures.items():
        for connections, figure in figures.items():
            errors = ", ".join(f"{count} of {what}" for what, count in figure.errors.items())
            yield (
                name,
                str(connections),
                f"{figure.rate:,.0f}",
                f"{figure.p50:.1f}",
                f"{figure.p99:.1f}",
                errors or "0",
                _aim(name, connections),
            )


def _aim(name: str, connections: int) -> str:
    aim = aims.OPERATIONS.get(name)
    if aim and connections == aims.ONE_BY_ONE:
        return f"p50 ≤ {aim.p50_ms:g} ms"
    return f"≥ {aim.rate:g}/s" if aim and connections == aims.TOGETHER else ""


def _others(results: Results) -> Iterator[Row]:
    if fresh := results.fresh:
        yield (
            f"link answered → in a follower's news, p50 / p99 of {fresh.count} (and a poll)",
            f"{fresh.p50:.0f} / {fresh.p99:.0f} ms",
            f"≤ {aims.FRESH_P50_MS} / {aims.FRESH_P99_MS} ms",
        )
    if rpc := results.rpc:
        yield (
            "RPC between two services' processes, one by one, p50 / p99",
            f"{rpc['p50']:.1f} / {rpc['p99']:.1f} ms",
            f"p50 ≤ {aims.RPC_P50_MS} ms",
        )
        yield (
            f"RPC between two services' processes, {rpc['in_flight']:.0f} in flight",
            f"{rpc['rate']:,.0f}/s",
            f"≥ {aims.RPC_RATE}/s",
        )
    for name, seconds in zip(("first", "again"), results.start_seconds, strict=False):
        yield (
            f"`make run` (installed) to the first 200 of /health/ready, {name}",
            f"{seconds:.1f} s",
            f"≤ {aims.LONGEST_START_SECONDS:g} s",
        )
    if results.idle_megabytes:
        yield (
            "memory of the services and servers, idle / loaded",
            f"{_sum(results.idle_megabytes):.0f} / {_sum(results.loaded_megabytes):.0f} MB",
            f"≤ {aims.MOST_MEGABYTES} MB",
        )


def _sum(megabytes: dict[str, float]) -> float:
    return sum(amount for name, amount in megabytes.items() if name != RUNNER)


def _by_process(results: Results) -> Iterator[str]:
    processes = list(results.idle_megabytes)
    if not processes:
        return
    yield "## By process"
    yield f"Memory, and CPU seconds per 1,000 requests over {aims.TOGETHER} connections."
    operations = [name for name in results.cpu_ms if name != aims.TRIVIAL]
    rows = []
    for process in [*processes, aims.GENERATOR]:
        memory = [
            f"{amounts[process]:.0f}" if process in amounts else ""
            for amounts in (results.idle_megabytes, results.loaded_megabytes)
        ]
        cpu = [f"{results.cpu_ms[name].get(process, 0):.2f}" for name in operations]
        rows.append([process, *memory, *cpu])
    yield table(["process", "idle MB", "loaded MB", *operations], rows)
