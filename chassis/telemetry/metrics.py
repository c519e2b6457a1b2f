"""The numbers of a process, as Prometheus reads them: how they are declared, and all of them.

docs/metrics.md lists them. Every number has the label ``service`` first; no label has values that
strangers can make up.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any, TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10)

M = TypeVar("M", Counter, Gauge, Histogram)
Family = CounterMetricFamily | GaugeMetricFamily

disable_created_metrics()  # type: ignore[no-untyped-call]
REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)
GCCollector(registry=REGISTRY)


def counter(name: str, meaning: str, *labels: str) -> Counter:
    """Declare a number that only grows."""
    return Counter(name, meaning, ("service", *labels), registry=REGISTRY)


def gauge(name: str, meaning: str, *labels: str) -> Gauge:
    """Declare a number that goes up and down."""
    return Gauge(name, meaning, ("service", *labels), registry=REGISTRY)


def histogram(
    name: str, meaning: str, *labels: str, buckets: Sequence[float] = SECONDS
) -> Histogram:
    """Declare a distribution, of seconds if nothing else is said."""
    return Histogram(name, meaning, ("service", *labels), registry=REGISTRY, buckets=buckets)


@cache
def series(metric: M, *labels: str) -> M:
    """Return the number with these labels, found three times faster than by ``labels()``."""
    return metric.labels(*labels)


class Watched(Collector):
    """A number that is looked up when somebody asks, and left out while nobody knows it."""

    def __init__(
        self, name: str, meaning: str, *labels: str, family: type[Family] = GaugeMetricFamily
    ) -> None:
        self._family: Any = lambda: family(name, meaning, labels=("service", *labels))
        self._reads: dict[tuple[str, ...], Callable[[], float | None]] = {}
        REGISTRY.register(self)

    def watch(self, *labels: str, read: Callable[[], float | None]) -> None:
        """Say where the number with these labels is found."""
        self._reads[labels] = read

    def describe(self) -> Iterable[Family]:
        """Return the family, so that the registry knows its name."""
        return [self._family()]

    def collect(self) -> Iterable[Family]:
        """Look all numbers up."""
        found = self._family()
        for labels, read in list(self._reads.items()):
            value = read()
            if value is not None:
                found.add_metric(labels, value)
        return [found]
