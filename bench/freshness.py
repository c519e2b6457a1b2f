"""How long after a link's 200 answer is it in a follower's news?"""

import random
import time
from collections.abc import Iterator
from uuid import uuid4

from bench.api import Api
from bench.workload import Person, Workload
from embedded.errors import CannotStart

WAIT_SECONDS = 60.0
LONGEST_PAUSE_SECONDS = 0.02


def seconds(workload: Workload) -> Iterator[float]:
    """Add a link and poll the follower's news until it is there, again and again.

    The figure is what a client of the public API sees: the last poll's own time is in it.
    """
    adding, reading = Api(workload.url), Api(workload.url)
    while True:
        link = f"https://example.org/{uuid4()}"
        answer = adding.post("/v1.0/links", workload.writer.token, url=link)
        began = time.perf_counter()
        if answer.status != 200:
            raise CannotStart(f"adding a link failed: {answer.body}")
        while _newest(reading, workload.reader) != link:
            if time.perf_counter() - began > WAIT_SECONDS:
                raise CannotStart(f"{link} is not in the news after {WAIT_SECONDS:.0f} s")
        yield time.perf_counter() - began
        # Whatever goes round in the system shall not be met in step.
        time.sleep(random.uniform(0, LONGEST_PAUSE_SECONDS))


def _newest(api: Api, reader: Person) -> str:
    answer = api.get("/v1.0/news", reader.token, page_size=1, order="newest")
    events = answer.body.get("events") or [{}]
    return str(events[0].get("Url", ""))
