"""What is measured beside requests, as rows with their aims: at first, and then."""

from collections.abc import Iterator

from bench.measure.usage import RUNNER
from bench.report import aims
from bench.report.results import Results
from bench.report.tables import Row


def rows(results: Results) -> Iterator[Row]:
    """Yield a row for everything that was measured."""
    yield from _news(results)
    yield from _calls(results)
    for name, seconds in zip(("first", "again"), results.start_seconds, strict=False):
        yield _at_most(
            f"`make run` (installed) to the first 200 of /health/ready, {name}",
            (seconds,),
            (aims.START_SECONDS,),
            "s",
        )
    if results.idle_megabytes:
        used = (_sum(results.idle_megabytes), _sum(results.loaded_megabytes))
        yield _at_most(
            "memory of the services and servers, idle / loaded",
            used,
            (aims.MEGABYTES, aims.MEGABYTES),
            "MB",
        )
    if results.idle_percent:
        what = "CPU of the services and servers when idle"
        yield _at_most(what, (_sum(results.idle_percent),), (aims.IDLE_PERCENT,), "% of a core")


def _news(results: Results) -> Iterator[Row]:
    if fresh := results.fresh:
        yield _at_most(
            f"link answered → in a follower's news, p50 / p99 of {fresh.count} (and a poll)",
            (fresh.p50, fresh.p99),
            (aims.FRESH_P50_MS, aims.FRESH_P99_MS),
            "ms",
        )
    if results.fan_out:
        yield _at_most(
            f"one link into the news of {results.fan_out['followers']:,.0f} followers",
            (results.fan_out["seconds"],),
            (aims.FAN_OUT_SECONDS,),
            "s",
        )


def _calls(results: Results) -> Iterator[Row]:
    if rpc := results.rpc:
        what = "RPC between two services' processes, one by one, p50"
        yield _at_most(what, (rpc["p50"],), (aims.RPC_P50_MS,), "ms")
        wanted = (aims.told(f"{rate:,}/s", rpc["rate"] >= rate) for rate in aims.RPC_RATE)
        yield (
            f"RPC between two services' processes, {rpc['in_flight']:.0f} in flight",
            f"{rpc['rate']:,.0f}/s",
            *wanted,
        )


def _at_most(
    what: str,
    measured: tuple[float, ...],
    wanted: tuple[tuple[float, float], ...],
    unit: str,
) -> Row:
    """Return a row of something that is the better the smaller it is."""
    verdicts = (
        aims.told(
            f"{' / '.join(f'{each:g}' for each in stage)} {unit}",
            all(found <= aim for found, aim in zip(measured, stage, strict=True)),
        )
        for stage in zip(*wanted, strict=True)
    )
    return [what, f"{' / '.join(f'{each:.3g}' for each in measured)} {unit}", *verdicts]


def _sum(amounts: dict[str, float]) -> float:
    return sum(amount for name, amount in amounts.items() if name != RUNNER)
