"""``make bench``: what the system can do, measured through its public API."""

import argparse
import os
import sys
import time
import warnings
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "var" / "bench"


def main() -> int:
    """Do what the command line says, and return the exit status: 1 if a request failed."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--url", help="measure this running system, and not one of our own")
    parser.add_argument(
        "--links", type=_sizes, help="how many links the writers have: 1000,10000, say"
    )
    parser.add_argument("--quick", action="store_true", help="a few seconds: does it work at all?")
    parser.add_argument("--results", type=Path, default=RESULTS, help="the folder for the results")
    parser.add_argument("--compare", type=Path, help="an earlier results.json")
    arguments = parser.parse_args()
    # eventlet 0.41.3, which nameko imports: nobody at a terminal can do anything about it.
    warnings.filterwarnings("ignore", message=r"\s*Eventlet is deprecated")
    from embedded.errors import CannotStart

    try:
        return _run(arguments)
    except CannotStart as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _run(arguments: argparse.Namespace) -> int:
    from bench.measure.benchmark import Benchmark
    from bench.measure.plan import FULL, QUICK
    from bench.report import comparison, files
    from bench.system import OwnSystem
    from embedded.settings import Settings

    began = time.monotonic()
    before = comparison.read(arguments.compare) if arguments.compare else None
    plan = QUICK if arguments.quick else FULL
    sizes = arguments.links or (plan.sizes[:1] if arguments.url else plan.sizes)
    benchmark = Benchmark(ROOT, replace(plan, sizes=sizes))
    if arguments.url:
        os.environ[Settings(ROOT).variable("PUBLIC_URL")] = arguments.url
        benchmark.measure_running()
    else:
        with OwnSystem(ROOT, arguments.results / f"system-{uuid4().hex[:8]}") as system:
            benchmark.measure_own(system)
    benchmark.results.seconds = time.monotonic() - began
    text = files.write(benchmark.results, arguments.results, before)
    print(f"\n{text}")
    return 1 if benchmark.results.failed() else 0


def _sizes(text: str) -> tuple[int, ...]:
    sizes = tuple(int(size) for size in text.split(","))
    if not all(0 < size <= 1_000_000 for size in sizes) or sorted(set(sizes)) != list(sizes):
        raise argparse.ArgumentTypeError("numbers that grow are wanted, with commas between them")
    return sizes


if __name__ == "__main__":
    sys.exit(main())
