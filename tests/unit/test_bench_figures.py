"""The benchmark's arithmetic, and what it prints."""

import json
import math
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.load.generator import Sample
from bench.report import aims, comparison, files
from bench.report.figures import Figure, median_of, percentile
from bench.report.markdown import markdown
from bench.report.results import Results, Spread
from embedded.errors import CannotStart


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


def a_figure(rate: float = 5, p50: float = 0.004) -> Figure:
    return median_of([Sample(10 / rate, latencies=[p50] * 10, errors=Counter({"503": 1}))])


def some_results() -> Results:
    return Results(
        sizes=[1000, 100_000],
        figures={
            aims.TRIVIAL: {0: {1: a_figure(9000), 8: a_figure(9000)}},
            aims.ADD: {
                1000: {1: a_figure(), 8: a_figure(400)},
                100_000: {1: a_figure(), 8: a_figure(200)},
            },
            aims.LIST: {1000: {8: a_figure(2000)}, 100_000: {8: a_figure(2000)}},
        },
        fresh=Spread(40.0, 90.0, 150),
        cpu_ms={aims.ADD: {1000: {"gateway": 9}, 100_000: {"gateway": 1.5, aims.GENERATOR: 0.1}}},
        idle_megabytes={"runner": 30.0, "gateway": 50.0},
        loaded_megabytes={"runner": 30.0, "gateway": 60.0},
        idle_percent={"runner": 9, "gateway": 1.25},
        start_seconds=[4.0, 1.5],
    )


def cells(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()]


def test_report_shows_sizes_side_by_side_and_the_aims(tmp_path: Path) -> None:
    text = files.write(some_results(), tmp_path)
    rows = cells(text)
    times, errors = ["4.0", "4.0", "4.0", "4.0"], "1 of 503, 1 of 503"
    aimed = ["300/s: missed", "1,000/s: missed"]
    assert ["add", "8", "400", "200", "0.50", *times, errors, *aimed] in rows
    aimed = ["", "p50 4 ms: reached"]
    assert ["add", "1", "5", "5", "1.00", *times, errors, *aimed] in rows
    assert (tmp_path / "results.md").read_text() == text


def test_report_names_what_the_load_generator_may_have_limited() -> None:
    text = markdown(some_results())
    assert "perhaps limited by it: list, 10 a page." in text


def test_report_shows_what_each_process_uses() -> None:
    rows = cells(markdown(some_results()))
    assert ["add", "0.00", "1.50", "0.10"] in rows  # of the largest collection
    assert ["idle", "30", "50"] in rows
    memory = "memory of the services and servers, idle / loaded"
    assert [memory, "50 / 60 MB", "700 / 700 MB: reached", "400 / 400 MB: reached"] in rows
    idle = "CPU of the services and servers when idle"
    assert [idle, "1.25 % of a core", *2 * ["2 % of a core: reached"]] in rows
    start = "`make run` (installed) to the first 200 of /health/ready, first"
    assert [start, "4 s", "5 s: reached", "2 s: missed"] in rows


def test_report_for_programs_has_everything(tmp_path: Path) -> None:
    files.write(some_results(), tmp_path)
    document = json.loads((tmp_path / "results.json").read_text())
    assert document["figures"]["add"]["1000"]["8"]["rate"] == 400
    assert document["machine"]["cores"] >= 1


def test_plot_is_xml_with_a_bar_for_each_size(tmp_path: Path) -> None:
    files.write(some_results(), tmp_path)
    root = ElementTree.parse(tmp_path / "results.svg").getroot()
    texts = [each.text for each in root.iter() if each.tag.endswith("text")]
    assert {"add", "400", "200", "1,000", "100,000", "the first aim"} <= set(texts)
    assert aims.TRIVIAL not in texts


def test_report_of_a_system_seen_from_outside_leaves_out_what_is_unknown() -> None:
    text = markdown(Results(sizes=[10]))
    assert "memory" not in text
    assert "RPC" not in text


def test_comparison_is_of_the_same_operation_size_and_connections(tmp_path: Path) -> None:
    files.write(some_results(), tmp_path)
    before = comparison.read(tmp_path / "results.json")
    now = some_results()
    now.figures[aims.ADD][1000][8] = a_figure(800, 0.002)
    del now.figures[aims.ADD][100_000]
    rows = cells(comparison.markdown(before, now))
    cpu = ["9.00", "9.00"]
    assert ["add", "1,000", "8", "400", "800", "2.00", "4.0", "2.0", *cpu] in rows
    assert not [row for row in rows if row[:2] == ["add", "100,000"]]


def test_comparison_reads_results_of_one_size() -> None:
    """As they were before sizes stood side by side."""
    before = {
        "machine": {"at": "2026-11-22"},
        "links": 1000,
        "figures": {"add": {"8": {"rate": 100.0, "p50": 8.0}}},
        "cpu_ms": {"add": {"gateway": 4.0}},
    }
    rows = cells(comparison.markdown(before, some_results()))
    row = ["add", "1,000", "8", "100", "400", "4.00", "8.0", "4.0", "4.00", "9.00"]
    assert row in rows


def test_what_is_no_result_is_not_compared_with(tmp_path: Path) -> None:
    with pytest.raises(CannotStart):
        comparison.read(tmp_path / "missing.json")


def test_failed_requests_are_counted() -> None:
    assert some_results().failed() == 8
