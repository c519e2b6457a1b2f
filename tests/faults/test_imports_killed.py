"""link_svc is killed while it imports: each link of the file is there once, and told once."""

import random

import pytest

from tests.e2e.api import Api, person
from tests.e2e.survival import parts
from tests.e2e.system import System
from tests.faults.authors import feed
from tests.faults.checker import links
from tests.processes import until

LINKS = 3000
KILLS = 3
DONE_SECONDS = 180.0


@pytest.mark.long
def test_import_goes_on_after_kills(tireless: System, chance: random.Random) -> None:
    suffix = f"{chance.randrange(10**9)}"
    ann, bob = (person(tireless.url, f"{name}{suffix}") for name in ("ann", "bob"))
    bob.follow(ann.name)
    urls = [f"https://example.org/{suffix}/{n}" for n in range(LINKS)]
    file = "\n".join(f'<DT><A HREF="{url}">A link</A>' for url in urls)
    answer = ann.call("POST", "/v1.0/imports", data=file, headers={"Content-Type": "text/html"})
    assert answer.status_code == 200, answer.text
    path = f"/v1.0/imports/{answer.json()['job']['id']}"
    for done in sorted(chance.sample(range(LINKS // 2), KILLS)):
        until(lambda done=done: progress(ann, path)["done"] > done, DONE_SECONDS)
        parts(tireless)["link_svc"].kill()
        until(lambda: "link_svc" in parts(tireless))
    until(lambda: progress(ann, path)["state"] == "done", DONE_SECONDS)
    job = progress(ann, path)
    assert (job["total"], job["done"], job["added"], job["failed"]) == (LINKS, LINKS, LINKS, 0)
    assert sorted(links(ann)) == sorted(urls)
    until(lambda: len(feed(bob)) >= LINKS, DONE_SECONDS)
    assert sorted(feed(bob)) == sorted(urls)


def progress(api: Api, path: str) -> dict[str, object]:
    job: dict[str, object] = api.call("GET", path).json()["job"]
    return job
