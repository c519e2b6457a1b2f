"""How long to wait before the next try: longer each time, and never at the same time as others."""

import random

_MOST_DOUBLINGS = 10


def seconds(tries: int, first: float, last: float) -> float:
    """Return the pause after so many tries have failed: doubled each time, up to ``last``.

    Somewhere between half of it and the whole, so that replicas don't knock all together.
    """
    doubled = first * 2 ** min(max(tries, 1) - 1, _MOST_DOUBLINGS)
    return min(last, doubled) * random.uniform(0.5, 1)  # noqa: S311 - no secret
