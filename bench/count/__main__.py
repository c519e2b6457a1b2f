"""``python -m bench.count``: what requests cost in round trips; ``--write`` puts it into the docs.

The exit status is 1 where the document says something else.
"""

import argparse
import sys
import warnings
from pathlib import Path
from uuid import uuid4

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    """Count with a system of our own, print, and compare."""
    parser = argparse.ArgumentParser(prog="python -m bench.count", description=__doc__)
    parser.add_argument("--write", action="store_true", help="let docs/performance.md say so")
    write = parser.parse_args().write
    warnings.filterwarnings("ignore", message=r"\s*Eventlet is deprecated")
    from bench.count import document
    from bench.count.measure import counts
    from bench.system import OwnSystem

    with OwnSystem(ROOT, ROOT / "var" / "bench" / f"system-{uuid4().hex[:8]}") as system:
        system.start()
        counted = counts(ROOT)
    print(document.markdown(counted))
    text = document.DOCUMENT.read_text()
    if write:
        document.DOCUMENT.write_text(document.replace(text, counted))
        return 0
    wrong = list(document.differences(document.read(text), counted))
    print(*wrong, sep="\n", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
