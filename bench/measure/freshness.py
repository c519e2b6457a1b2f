"""How long after a link's 200 answer is it in a follower's news?"""

import random
import time
from collections.abc import Iterator
from contextlib import closing
from uuid import uuid4

from bench.api import Api
from bench.load.workload import Person, Workload
from embedded.errors import CannotStart

WAIT_SECONDS = 120.0
LONGEST_PAUSE_SECONDS = 0.02
SETTLE_POLL_SECONDS = 0.1


def seconds(workload: Workload) -> Iterator[float]:
    """Add a link and poll the follower's news until it is there, again and again.

    The figure is what a client of the public API sees: the last poll's own time is in it.
    """
    with closing(Api(workload.url)) as adding, closing(Api(workload.url)) as reading:
        while True:
            yield _seconds(adding, reading, workload)
            # Whatever goes round in the system shall not be met in step.
            time.sleep(random.uniform(0, LONGEST_PAUSE_SECONDS))


def settle(workload: Workload) -> None:
    """Wait until all the writer's events are in the news, by adding one more; poll at leisure."""
    with closing(Api(workload.url)) as api:
        _seconds(api, api, workload, SETTLE_POLL_SECONDS)


def _seconds(adding: Api, reading: Api, workload: Workload, poll_seconds: float = 0) -> float:
    link = f"https://example.org/{uuid4()}"
    answer = adding.post("/v1.0/links", workload.writer.token, url=link)
    began = time.perf_counter()
    if answer.status != 200:
        raise CannotStart(f"adding a link failed: {answer.body}")
    while _newest(reading, workload.reader) != link:
        if time.perf_counter() - began > WAIT_SECONDS:
            raise CannotStart(f"{link} is not in the news after {WAIT_SECONDS:.0f} s")
        time.sleep(poll_seconds)
    return time.perf_counter() - began


def _newest(api: Api, reader: Person) -> str:
    answer = api.get("/v1.0/news", reader.token, page_size=1, order="newest")
    events = answer.body.get("events") or [{}]
    return str(events[0].get("Url", ""))
