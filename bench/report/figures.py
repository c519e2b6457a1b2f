"""Numbers made of numbers."""

import math
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from bench.load.generator import Sample


@dataclass(frozen=True)
class Figure:
    """What one operation does over some connections; times in milliseconds."""

    rate: float
    p50: float
    p90: float
    p99: float
    requests: int
    errors: dict[str, int]


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest value that so many percent of the values don't exceed."""
    if not values:
        return math.nan
    return sorted(values)[math.ceil(len(values) * percent / 100) - 1]


def median_of(samples: Sequence[Sample]) -> Figure:
    """Return the median of several runs, figure by figure."""
    errors: Counter[str] = sum((sample.errors for sample in samples), Counter())
    return Figure(
        rate=statistics.median(len(sample.latencies) / sample.seconds for sample in samples),
        p50=_milliseconds(samples, 50),
        p90=_milliseconds(samples, 90),
        p99=_milliseconds(samples, 99),
        requests=sum(len(sample.latencies) for sample in samples),
        errors=dict(errors),
    )


def _milliseconds(samples: Sequence[Sample], percent: float) -> float:
    return 1000 * statistics.median(percentile(sample.latencies, percent) for sample in samples)
