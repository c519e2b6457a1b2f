"""``make bench QUICK=1``: everything is measured, and nothing fails. How fast is not asked here.

How many round trips each request costs is, and docs/performance.md must have said so.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench.count import document
from bench.count.meter import Counts
from bench.report import aims
from tests.e2e.system import ROOT, System

LISTINGS_AND_CHANGES = set(aims.FIRST) - {aims.NEWS}
PROCESSES = {"gateway", "link_svc", "news_svc", "social_graph_svc", "user_svc"}
SERVERS = {"nats-server", "postgres", "valkey-server"}


def bench(
    folder: Path, *arguments: str, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bench", "--quick"]
    command += ["--results", str(folder), *arguments]
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)


def results_in(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "results.json").read_text())
    return found


def assert_all_was_measured(found: dict[str, Any], sizes: set[str]) -> None:
    by_name = found["figures"]
    assert set(by_name) - {aims.GET_NEWS} == LISTINGS_AND_CHANGES | {aims.TRIVIAL, aims.NEWS}
    assert all(set(by_name[name]) == sizes for name in LISTINGS_AND_CHANGES)
    for by_size in by_name.values():
        for by_connections in by_size.values():
            assert set(by_connections) == {"1", "8"}
            for figure in by_connections.values():
                assert figure["requests"] > 0
                assert figure["errors"] == {}


def test_bench_measures_a_system_of_its_own_and_leaves_nothing_behind(own_system: System) -> None:
    folder = own_system.output.parent / "bench"  # where PostgreSQL's user can go
    done = bench(folder)
    assert done.returncode == 0, done.stderr
    found = results_in(folder)
    assert_all_was_measured(found, sizes={"100", "1000"})
    assert aims.GET_NEWS in found["figures"]
    assert set(found["loaded_megabytes"]) == PROCESSES | SERVERS | {"runner"}
    assert all(amount > 0 for amount in found["loaded_megabytes"].values())
    assert found["fresh"]["count"] > 0
    assert found["rpc"]["p50"] > 0
    assert found["fan_out"]["seconds"] > 0
    assert sum(found["idle_percent"].values()) > 0
    assert len(found["start_seconds"]) == 1
    assert {path.name for path in folder.iterdir()} == {"results.json", "results.md", "results.svg"}
    assert (folder / "results.md").read_text() in done.stdout
    counted = {name: Counts(**counts) for name, counts in found["counts"].items()}
    stated = document.read(document.DOCUMENT.read_text())
    assert not list(document.differences(stated, counted)), "see python -m bench.count --write"


def test_bench_measures_a_running_system_from_outside(own_system: System, tmp_path: Path) -> None:
    own_system.start()
    done = bench(tmp_path, "--url", own_system.url, "--links", "20", env=own_system.env)
    assert done.returncode == 0, done.stderr
    found = results_in(tmp_path)
    assert_all_was_measured(found, sizes={"20"})
    assert (found["loaded_megabytes"], found["rpc"], found["counts"]) == ({}, {}, {})


def test_bench_without_the_system_is_told_in_one_line(own_system: System, tmp_path: Path) -> None:
    done = bench(tmp_path, "--url", own_system.url, env=own_system.env)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith("start the system with 'make run'\n")
    assert done.stderr.count("\n") == 1
