"""What a run of the benchmark has found."""

import os
import platform
import time
from dataclasses import dataclass, field
from typing import Any

from bench.count.meter import Counts
from bench.report.figures import Figure


@dataclass(frozen=True)
class Spread:
    """Milliseconds of something that was measured again and again."""

    p50: float
    p99: float
    count: int


@dataclass
class Results:
    """Everything that was measured; what could not be is empty."""

    sizes: list[int]
    machine: dict[str, Any] = field(default_factory=lambda: _machine())
    # By operation, size of the collection (0: any), and connections.
    figures: dict[str, dict[int, dict[int, Figure]]] = field(default_factory=dict)
    fresh: Spread | None = None
    rpc: dict[str, float] = field(default_factory=dict)
    cpu_ms: dict[str, dict[int, dict[str, float]]] = field(default_factory=dict)
    fan_out: dict[str, float] = field(default_factory=dict)
    idle_percent: dict[str, float] = field(default_factory=dict)
    idle_megabytes: dict[str, float] = field(default_factory=dict)
    loaded_megabytes: dict[str, float] = field(default_factory=dict)
    counts: dict[str, Counts] = field(default_factory=dict)
    start_seconds: list[float] = field(default_factory=list)
    seconds: float = 0.0

    def failed(self) -> int:
        """Return how many requests were not answered with success."""
        return sum(
            sum(figure.errors.values())
            for sizes in self.figures.values()
            for by_connections in sizes.values()
            for figure in by_connections.values()
        )


def _machine() -> dict[str, Any]:
    return {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "load_average_before": os.getloadavg()[0],
    }
