"""Requests made of /openapi.json: what it promises is true, and nothing that is sent breaks us.

OPENAPI_EXAMPLES and OPENAPI_SEED say how much, and repeat a run.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.survival import pids
from tests.e2e.system import ROOT, System

SCHEMATHESIS = Path(sys.executable).with_name("st")


def assert_keeps_its_word(system: System, phases: str, examples: int, seconds: int) -> None:
    """Have schemathesis ask the system, with all its checks, and find nothing wrong."""
    examples = int(os.environ.get("OPENAPI_EXAMPLES") or examples)
    seed = os.environ.get("OPENAPI_SEED") or "1"
    before = pids(system)
    done = subprocess.run(
        [
            *(str(SCHEMATHESIS), "--config-file", "tests/e2e/schemathesis.toml", "run"),
            *(f"{system.url}/openapi.json", "--no-color"),
            *("--phases", phases, "--continue-on-failure", "--seed", seed),
            *("--max-examples", str(examples), "--generation-database", "none"),
        ],
        cwd=ROOT,
        env=system.env
        | {
            "OPENAPI_TEST_URL": system.url,
            "SCHEMATHESIS_HOOKS": "tests.e2e.openapi_hooks",
            "PYTHONPATH": str(ROOT),
            "PYTHONWARNINGS": "ignore",
        },
        capture_output=True,
        text=True,
        timeout=seconds,
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2000:]
    assert pids(system) == before


def test_description_is_kept_in_a_few_requests(system: System) -> None:
    assert_keeps_its_word(system, "examples,fuzzing,stateful", examples=2, seconds=240)


@pytest.mark.long
def test_description_is_kept_in_many_requests(system: System) -> None:
    phases = "examples,coverage,fuzzing,stateful"
    assert_keeps_its_word(system, phases, examples=600, seconds=3600)
