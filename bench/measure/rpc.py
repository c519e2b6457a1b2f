"""Measures a call over the bus, from one process to another."""

import json
import sys
from pathlib import Path
from subprocess import PIPE
from typing import Any

from bench.measure import caller
from embedded import binaries
from embedded.child import Child
from embedded.errors import CannotStart

SILENCE = ("-W", "ignore:::nameko.extensions")  # eventlet 0.41.3 warns of its own deprecation


def measure(root: Path) -> dict[str, Any]:
    """Return what a call costs; raise CannotStart."""
    echo = _run(root, "bench.measure.echo")
    try:
        calling = _run(root, "bench.measure.caller")
        try:
            return _figures(calling)
        finally:
            calling.kill()
    finally:
        echo.kill()


def _run(root: Path, module: str) -> Child:
    nameko = [sys.executable, *SILENCE, str(binaries.script("nameko"))]
    return Child([*nameko, "run", "--config", "config.yaml", module], output=PIPE, cwd=root)


def _figures(calling: Child) -> dict[str, Any]:
    said = "nothing"
    assert calling.process.stdout is not None
    for line in calling.process.stdout:
        said = line.decode(errors="replace").strip()
        if said.startswith(caller.PREFIX):
            figures: dict[str, Any] = json.loads(said.removeprefix(caller.PREFIX))
            return figures
    raise CannotStart(f"calls over the bus could not be measured; the caller said: {said}")
