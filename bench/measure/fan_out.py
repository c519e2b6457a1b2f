"""How long one link takes into the news of many.

Followers are seeded, and each has read the news once before, so that there is a feed to write to.
"""

from collections.abc import Callable
from itertools import islice
from statistics import median

from bench.load import get_news
from bench.load.workload import Person, Workload
from bench.measure import freshness
from bench.seed import people
from bench.seed.database import executor
from embedded.ports import LOOPBACK
from embedded.settings import Settings

LINKS = 5
CONNECTIONS = 8
PREFIX = "bench-follower"


def measure(
    settings: Settings, person: Callable[[str], Person], followers: int
) -> dict[str, float]:
    """Return the median seconds from an answer until the link is in the last follower's news."""
    famous, reader = person("famous"), person("fan")
    names = people.names(followers, prefix=PREFIX)
    workload = Workload(str(settings.get("PUBLIC_URL")), famous, reader)
    workload.prepare(1)
    freshness.settle(workload)
    people.follow(executor(settings, "social_graph_svc"), {famous.name: names})
    get_news.drive(f"{LOOPBACK}:{settings.port('GRPC_BIND_PORT')}", names, CONNECTIONS, 0)
    # Readers see a link when all feeds have it.
    found = list(islice(freshness.seconds(workload), LINKS))
    return {"followers": followers, "seconds": median(found)}
