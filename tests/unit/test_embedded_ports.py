import random
import subprocess
import sys
from collections.abc import Iterator

import pytest

from embedded import ports

HOLD = "from embedded import ports; print(ports.free_port(), flush=True); input()"


@pytest.fixture
def others() -> Iterator[int]:
    """Return a port that another process was given."""
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", HOLD], stdin=pipe, stdout=pipe) as other:
        assert other.stdout is not None
        yield int(other.stdout.readline())


def test_port_is_given_to_one_process_while_it_lives(
    others: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw, drawn = random.randrange, iter([others])
    monkeypatch.setattr(random, "randrange", lambda *limits: next(drawn, 0) or draw(*limits))
    assert not ports.obstacle(ports.LOOPBACK, others)
    assert ports.free_port() != others
    assert next(drawn, 0) == 0


def test_marks_are_bounded() -> None:
    given = [ports.free_port() for _ in range(1000)]
    assert len(set(given[-256:])) == 256
    assert len(ports._marks) == 256
