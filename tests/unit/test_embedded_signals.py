"""A child's end wakes who waits, whether it comes before or during the wait."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from embedded.signals import Signals


@pytest.fixture
def signals() -> Iterator[Signals]:
    before = signal.getsignal(signal.SIGCHLD)
    with closing(Signals()) as signals:
        yield signals
    signal.signal(signal.SIGCHLD, before)


@pytest.mark.parametrize("earlier", [True, False])
def test_child_that_ends_wakes_who_waits(signals: Signals, earlier: bool) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        if earlier:
            child.communicate(b"\n")
        elif child.stdin is not None:
            child.stdin.close()
        began = time.monotonic()
        signals.wait(60)
        assert time.monotonic() - began < 30


def test_wait_ends_by_itself(signals: Signals) -> None:
    signals.wait(0.01)
