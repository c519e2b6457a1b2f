"""The benchmark's arithmetic, and what it prints."""

import json
import math
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import aims, report
from bench.figures import median_of, percentile
from bench.generator import Sample
from bench.results import Results, Spread


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [
        ([5.0], 50, 5.0),
        ([5.0], 99, 5.0),
        ([3.0, 1.0, 2.0], 50, 2.0),
        ([4.0, 3.0, 1.0, 2.0], 50, 2.0),
        ([float(n) for n in range(1, 101)], 99, 99.0),
        ([float(n) for n in range(1, 102)], 99, 100.0),
    ],
)
def test_percentile_is_one_of_the_values(
    values: list[float], percent: float, expected: float
) -> None:
    assert percentile(values, percent) == expected


@given(st.lists(st.floats(0, 100), min_size=1), st.integers(1, 100))
def test_percentile_is_the_smallest_that_so_many_do_not_exceed(
    values: list[float], percent: int
) -> None:
    found = percentile(values, percent)
    assert sum(value <= found for value in values) * 100 >= percent * len(values)
    assert sum(value < found for value in values) * 100 < percent * len(values)


def test_percentile_of_nothing_is_no_number() -> None:
    assert math.isnan(percentile([], 50))


def test_median_of_runs_forgets_the_outlier_and_no_error() -> None:
    calm = Sample(seconds=1.0, latencies=[0.010] * 100)
    noisy = Sample(seconds=1.0, latencies=[0.500] * 2, errors=Counter({"503": 3}))
    figure = median_of([calm, noisy, calm])
    assert (figure.rate, figure.p50, figure.p99) == (100, 10, 10)
    assert figure.requests == 202
    assert figure.errors == {"503": 3}


def some_results() -> Results:
    figure = median_of([Sample(2.0, latencies=[0.004] * 10, errors=Counter({"503": 1}))])
    return Results(
        links=1000,
        figures={aims.TRIVIAL: {1: figure}, aims.ADD: {1: figure, 8: figure}},
        fresh=Spread(40.0, 90.0, 150),
        cpu_ms={aims.ADD: {"gateway": 1.5, aims.GENERATOR: 0.1}},
        idle_megabytes={"runner": 30.0, "gateway": 50.0},
        loaded_megabytes={"runner": 30.0, "gateway": 60.0},
        start_seconds=[2.0, 1.5],
    )


def test_report_shows_figures_beside_their_aims(tmp_path: Path) -> None:
    text = report.write(some_results(), tmp_path)
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()]
    assert ["add", "1", "5", "4.0", "4.0", "1 of 503", "p50 ≤ 15 ms"] in cells
    assert ["add", "8", "5", "4.0", "4.0", "1 of 503", "≥ 300/s"] in cells
    assert ["a trivial server", "1", "5", "4.0", "4.0", "1 of 503", ""] in cells
    assert ["gateway", "50", "60", "1.50"] in cells
    memory = "memory of the services and servers, idle / loaded"
    assert [memory, "50 / 60 MB", "≤ 700 MB"] in cells
    assert (tmp_path / "results.md").read_text() == text


def test_report_for_programs_has_everything(tmp_path: Path) -> None:
    report.write(some_results(), tmp_path)
    document = json.loads((tmp_path / "results.json").read_text())
    assert document["figures"]["add"]["8"]["rate"] == 5
    assert document["machine"]["cores"] >= 1


def test_report_of_a_system_seen_from_outside_leaves_out_what_is_unknown() -> None:
    text = report.markdown(Results(links=10))
    assert "memory" not in text
    assert "RPC" not in text


def test_failed_requests_are_counted() -> None:
    assert some_results().failed() == 3
