"""What is measured, in which order, and how often."""

import sys
from collections import defaultdict
from dataclasses import dataclass
from itertools import islice, repeat
from pathlib import Path
from uuid import uuid4

from bench import freshness, rpc, trivial
from bench.aims import ADD, GENERATOR, ONE_BY_ONE, TOGETHER, TRIVIAL
from bench.count.measure import counts
from bench.figures import median_of, percentile
from bench.generator import Sample, drive
from bench.results import Results, Spread
from bench.system import OwnSystem
from bench.usage import Usage
from bench.workload import Operation, Person, Workload
from embedded.settings import Settings
from embedded.sign_in import access_token

WARM_UP_SECONDS = 0.3
ANYTHING = b"GET / HTTP/1.1\r\n\r\n"


@dataclass(frozen=True)
class Plan:
    """How long to measure."""

    connections: tuple[int, ...]
    rounds: int
    seconds: float
    fresh_links: int
    starts: int


FULL = Plan((ONE_BY_ONE, TOGETHER, 32), rounds=3, seconds=1.5, fresh_links=150, starts=2)
QUICK = Plan((ONE_BY_ONE, TOGETHER), rounds=1, seconds=0.3, fresh_links=5, starts=1)


class Benchmark:
    """One run: the results are filled as it goes on."""

    def __init__(self, root: Path, plan: Plan, links: int) -> None:
        self.root = root
        self.plan = plan
        self.results = Results(links)
        self._samples: dict[str, dict[int, list[Sample]]] = defaultdict(lambda: defaultdict(list))
        self._cpu: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))

    def measure_own(self, system: OwnSystem) -> None:
        """Measure a system that is not started yet: all there is to measure."""
        results = self.results
        _say("starting the system")
        results.start_seconds.append(system.start())
        for _ in range(self.plan.starts - 1):
            system.stop()
            results.start_seconds.append(system.start())
        assert system.runner is not None
        usage = Usage(system.runner.pid)
        results.idle_megabytes = usage.megabytes()
        self._measure(usage)
        results.loaded_megabytes = usage.megabytes()
        _say("counting round trips")
        results.counts = counts(self.root)
        _say("calls over the bus")
        results.rpc = rpc.measure(self.root)

    def measure_running(self) -> None:
        """Measure a running system, of which nothing is known but its address."""
        self._measure(None)

    def _measure(self, usage: Usage | None) -> None:
        workload = self._workload()
        _say(f"loading {self.results.links:,} links")
        workload.prepare(self.results.links)
        freshness.settle(workload)
        with trivial.running() as address:
            operations = [Operation(TRIVIAL, address, repeat(ANYTHING)), *workload.operations()]
            for operation in operations:
                drive(operation.address, operation.requests, 1, WARM_UP_SECONDS)
            for turn in range(self.plan.rounds):
                for connections in self.plan.connections:
                    _say(f"round {turn + 1} of {self.plan.rounds}, {connections} connections")
                    for operation in operations:
                        self._run(operation, connections, workload, usage)
        self._summarize()
        _say(f"{self.plan.fresh_links} links on their way into the news")
        found = list(islice(freshness.seconds(workload), self.plan.fresh_links))
        self.results.fresh = Spread(
            1000 * percentile(found, 50), 1000 * percentile(found, 99), len(found)
        )

    def _run(
        self, operation: Operation, connections: int, workload: Workload, usage: Usage | None
    ) -> None:
        before = usage.cpu_seconds() if usage else {}
        sample = drive(operation.address, operation.requests, connections, self.plan.seconds)
        self._samples[operation.name][connections].append(sample)
        if operation.name == ADD:  # the work that it leaves behind is its own, not the next one's
            freshness.settle(workload)
        if connections == TOGETHER:
            used = self._cpu[operation.name]
            used[GENERATOR] += sample.cpu_seconds
            for process, seconds in (usage.cpu_seconds() if usage else {}).items():
                used[process] += seconds - before[process]

    def _workload(self) -> Workload:
        """Let two new people in, whom nobody has seen before."""
        settings = Settings(self.root)
        names = [f"bench-{role}-{uuid4().hex[:8]}" for role in ("writer", "reader")]
        writer, reader = (Person(name, access_token(settings, name)) for name in names)
        return Workload(str(settings.get("PUBLIC_URL")), writer, reader)

    def _summarize(self) -> None:
        for name, by_connections in self._samples.items():
            figures = {
                connections: median_of(samples) for connections, samples in by_connections.items()
            }
            self.results.figures[name] = figures
            answered = max(1, figures[TOGETHER].requests)
            self.results.cpu_ms[name] = {
                process: 1000 * seconds / answered for process, seconds in self._cpu[name].items()
            }


def _say(what: str) -> None:
    print(f"{what} ...", file=sys.stderr, flush=True)
