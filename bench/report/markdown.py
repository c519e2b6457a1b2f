"""The results for people, as Markdown: tables that line up in the raw text, too."""

from collections.abc import Iterator

from bench.count import document
from bench.report import aims, others
from bench.report.figures import Figure
from bench.report.results import Results
from bench.report.tables import Row, table

ENOUGH = 5  # times: then the load generator is not what limits

Cells = dict[int, dict[int, Figure]]


def markdown(results: Results) -> str:
    """Return everything that was measured."""
    machine = results.machine
    parts = [
        "# Benchmark",
        f"{machine['at']}, {machine['cores']} cores, {machine['system']}, "
        f"Python {machine['python']}, load average before: {machine['load_average_before']:.1f}. "
        f"Medians of several runs; all of it took {results.seconds:.0f} s.",
        "## Over connections that stay open, by the links of one person",
        table(_titles(results), _rows(results)),
        _of_the_generator(results),
    ]
    if rest := list(others.rows(results)):
        parts += ["## The rest", table(["what", "measured", "first aim", "then"], rest)]
    parts += _by_process(results)
    if results.counts:
        parts += ["## What a request costs, in round trips", document.markdown(results.counts)]
    return "\n\n".join(parts) + "\n"


def _titles(results: Results) -> list[str]:
    sizes = [f"{size:,}" for size in results.sizes]
    titles = ["operation", "connections", f"requests/s: {sizes[0]}", *sizes[1:], "last : first"]
    titles += [f"p50 ms: {sizes[0]}", *sizes[1:], "p90", "p99", "errors", "first aim", "then"]
    return titles


def _rows(results: Results) -> Iterator[Row]:
    for name, cells in results.figures.items():
        for connections in next(iter(cells.values())):
            yield _row(results, name, connections, cells)


def _row(results: Results, name: str, connections: int, cells: Cells) -> Row:
    """Return an operation's figures; the last columns are of the largest collection."""
    found = [cells.get(size, {}).get(connections) for size in results.sizes]
    if not any(found):  # it does not depend on the size
        found[0] = next(iter(cells.values()))[connections]
    first = found[0]
    last = next(figure for figure in reversed(found) if figure)
    growth = f"{last.rate / first.rate:.2f}" if first and last is not first else ""
    errors = ", ".join(
        f"{count} of {what}" for each in found if each for what, count in each.errors.items()
    )
    return [
        name,
        str(connections),
        *(f"{figure.rate:,.0f}" if figure else "" for figure in found),
        growth,
        *(f"{figure.p50:.1f}" if figure else "" for figure in found),
        f"{last.p90:.1f}",
        f"{last.p99:.1f}",
        errors or "0",
        *aims.verdict(name, connections, last.rate, last.p50),
    ]


def _of_the_generator(results: Results) -> str:
    """Say what the generator can do at most, and which figures it might limit."""
    text = (
        "The trivial server does nothing but answer: that much the load generator itself can do. "
        "The last columns are of the largest collection."
    )
    most = next(iter(results.figures.get(aims.TRIVIAL, {}).values()), {})
    near = sorted(
        {
            name
            for name, sizes in results.figures.items()
            for cells in sizes.values()
            for connections, figure in cells.items()
            if name != aims.TRIVIAL
            and connections in most
            and ENOUGH * figure.rate > most[connections].rate
        }
    )
    if near:
        text += f" Within a factor of {ENOUGH} of it, and perhaps limited by it: {', '.join(near)}."
    return text


def _by_process(results: Results) -> Iterator[str]:
    processes = list(results.idle_megabytes)
    if not processes:
        return
    yield "## By process"
    yield (
        f"CPU seconds per 1,000 requests over {aims.TOGETHER} connections, with the work that they "
        "leave behind; of the largest collection."
    )
    names = [name for name in results.cpu_ms if name != aims.TRIVIAL]
    cpu = {name: results.cpu_ms[name][max(results.cpu_ms[name])] for name in names}
    rows: list[Row] = [
        [name, *(f"{cpu[name].get(process, 0):.2f}" for process in [*processes, aims.GENERATOR])]
        for name in names
    ]
    yield table(["operation", *processes, aims.GENERATOR], rows)
    yield "Memory in MB, with what processes share in parts; and percent of a core when idle."
    each = (("idle", results.idle_megabytes), ("loaded", results.loaded_megabytes))
    rows = [
        [name, *(f"{found.get(process, 0):.0f}" for process in processes)] for name, found in each
    ]
    if results.idle_percent:
        percents = (f"{results.idle_percent.get(process, 0):.2f}" for process in processes)
        rows.append(["percent", *percents])
    yield table(["", *processes], rows)
