"""Files of links over HTTP: as a browser exports them, and as nobody should send them."""

from collections.abc import Callable

import pytest

from tests.e2e.api import Api, assert_refused
from tests.processes import until

Newcomer = Callable[[str], Api]

URL = "https://example.org/imported"


@pytest.fixture
def alice(newcomer: Newcomer) -> Api:
    return newcomer("alice")


def bookmarks(count: int, more: str = "") -> bytes:
    links = "\n".join(f'<DT><A HREF="{URL}/{n}">Link {n}</A>' for n in range(count))
    head = "<!DOCTYPE NETSCAPE-Bookmark-file-1><DL><p><DT><H3>Some folder</H3><DL><p>"
    return f"{head}{links}{more}</DL></DL>".encode()


def ended(api: Api, import_id: str) -> dict[str, object]:
    def look() -> dict[str, object] | None:
        job: dict[str, object] = api.call("GET", f"/v1.0/imports/{import_id}").json()["job"]
        return job if job["state"] not in ("waiting", "running") else None

    found: dict[str, object] = until(look)
    return found


def test_bookmarks_of_a_browser_are_links_and_news_soon(alice: Api, newcomer: Newcomer) -> None:
    bob = newcomer("bob")
    bob.follow(alice.name)
    body = bookmarks(30, '<DT><A HREF="javascript:alert(1)">no</A>')
    answer = alice.call("POST", "/v1/imports", data=body, headers={"Content-Type": "text/html"})
    assert (answer.status_code, answer.json()["err"]) == (200, "")
    job = ended(alice, answer.json()["job"]["id"])
    assert (job["state"], job["total"], job["added"], job["failed"]) == ("done", 31, 30, 1)
    link = alice.links(page_size=1)["links"][0]
    assert (link["Url"], link["Tags"]) == (f"{URL}/0", {"Some folder": True})
    expected = {f"{URL}/{n}" for n in range(30)}
    until(lambda: {event["Url"] for event in bob.news(page_size=100)["events"]} == expected)
    assert_refused(bob.call("GET", f"/v1.0/imports/{job['id']}"), 404, "no_such_import", "id")


def test_files_that_are_none_are_refused(alice: Api) -> None:
    call = alice.call
    assert_refused(call("POST", "/v1.0/imports", data=b" \n"), 400, "empty_file", "body")
    assert call("POST", "/v1.0/imports", files={"file": b"x"}).status_code == 415
    assert call("POST", "/v1.0/links", data=b"x" * 70_000).status_code == 413
    assert_refused(call("GET", "/v1.0/imports/1"), 404, "no_such_import", "id")
    wrong = call("POST", "/v1.0/imports?existing=odd", data=b"x")
    assert_refused(wrong, 400, "invalid_existing", "existing")


def test_an_import_that_is_cancelled_is_over(alice: Api) -> None:
    answer = alice.call("POST", "/v1.0/imports", data=bookmarks(110))
    import_id = answer.json()["job"]["id"]
    alice.call("DELETE", f"/v1.0/imports/{import_id}")
    job = ended(alice, import_id)
    assert job["state"] in ("cancelled", "done")
    assert (
        job["done"]
        == job["added"]
        == len(alice.urls(page_size=100)) + max(0, int(str(job["added"])) - 100)
    )
