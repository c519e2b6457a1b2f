"""Runs operations, and keeps what each has done and used."""

from collections import defaultdict
from collections.abc import Callable

from bench.load.generator import Sample
from bench.measure.usage import Usage
from bench.report.aims import GENERATOR, TOGETHER
from bench.report.figures import Figure, median_of

Samples = dict[str, dict[int, dict[int, list[Sample]]]]


def _tree() -> Samples:
    return defaultdict(lambda: defaultdict(lambda: defaultdict(list)))


class Recorder:
    """What was measured: by operation, by the size of the collection, by connections."""

    def __init__(self, usage: Usage | None) -> None:
        self._usage = usage
        self._samples = _tree()
        self._cpu: dict[tuple[str, int], dict[str, float]] = defaultdict(lambda: defaultdict(float))

    def run(
        self,
        name: str,
        size: int,
        connections: int,
        work: Callable[[], Sample],
        afterwards: Callable[[], object] = lambda: None,
    ) -> None:
        """Run an operation; what it leaves to be done afterwards is its own work, too."""
        before = self._usage.cpu_seconds() if self._usage else {}
        sample = work()
        afterwards()
        self._samples[name][size][connections].append(sample)
        if connections == TOGETHER:
            used = self._cpu[name, size]
            used[GENERATOR] += sample.cpu_seconds
            for process, seconds in (self._usage.cpu_seconds() if self._usage else {}).items():
                used[process] += seconds - before[process]

    def figures(self) -> dict[str, dict[int, dict[int, Figure]]]:
        """Return the medians."""
        return {
            name: {
                size: {connections: median_of(samples) for connections, samples in cells.items()}
                for size, cells in sizes.items()
            }
            for name, sizes in self._samples.items()
        }

    def cpu_ms(self) -> dict[str, dict[int, dict[str, float]]]:
        """Return the CPU milliseconds of each process per request, or seconds per thousand."""
        found: dict[str, dict[int, dict[str, float]]] = defaultdict(dict)
        for (name, size), used in self._cpu.items():
            samples = self._samples[name][size][TOGETHER]
            requests = max(1, sum(len(sample.latencies) for sample in samples))
            found[name][size] = {
                process: 1000 * seconds / requests for process, seconds in used.items()
            }
        return dict(found)
