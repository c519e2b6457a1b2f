import pytest
from nameko.testing.services import worker_factory

from chassis import errors
from link_svc.service import LinkService
from tests.fakes.link_svc import FakeLinkStore

URL = "https://example.com/a"


@pytest.fixture
def told():
    return []


@pytest.fixture
def service(told):
    store = FakeLinkStore(lambda kind, owner, data: told.append((kind, owner, data)))
    return worker_factory(LinkService, links=store, quota=3, key_hours=24, longest_url=100)


def test_a_link_is_added_listed_changed_and_deleted(service, told):
    added = service.add_link("alice", {"url": URL, "tags": "b,a"})
    assert (added["title"], added["tags"], added["status"]) == (URL, ["a", "b"], "pending")
    assert service.get_links("alice", {}) == {"links": [added], "next_token": ""}
    changed = service.update_link("alice", {"url": URL, "title": "T", "remove_tags": ["a"]})
    assert (changed["title"], changed["tags"]) == ("T", ["b"])
    assert service.delete_link("alice", URL) is None
    assert service.get_links("alice")["links"] == []
    assert [(kind, owner) for kind, owner, _ in told] == [
        ("link.added", "alice"),
        ("link.updated", "alice"),
        ("link.deleted", "alice"),
    ]


def test_url_to_add_may_be_as_long_as_configured(service):
    for length, code in ((100, ""), (101, "url_too_long")):
        link = {"url": URL.ljust(length, "x")}
        (result,) = service.change_links("alice", [{"action": "add", **link}])
        assert result.get("error", ["", ""])[1] == code
    with pytest.raises(errors.InvalidInput, match="100") as refusal:
        service.add_link("alice", link)
    assert (refusal.value.code, refusal.value.field) == ("url_too_long", "url")


def test_pages_follow_each_other(service):
    for n in range(3):
        service.add_link("alice", {"url": f"{URL}{n}"})
    first = service.get_links("alice", {"page_size": 2})
    second = service.get_links("alice", {"page_size": 2, "start_token": first["next_token"]})
    seen = [link["url"] for link in first["links"] + second["links"]]
    assert seen == [f"{URL}{n}" for n in range(3)]
    assert second["next_token"] == ""


def test_the_quota_is_that_of_the_configuration(service):
    for n in range(3):
        service.add_link("alice", {"url": f"{URL}{n}"})
    with pytest.raises(errors.LimitExceeded) as refusal:
        service.add_link("alice", {"url": URL})
    assert refusal.value.code == "too_many_links"


@pytest.mark.parametrize(
    ("method", "argument", "kind", "code"),
    [
        ("add_link", {}, errors.InvalidInput, "missing_url"),
        ("add_link", {"url": "nothing"}, errors.InvalidInput, "invalid_url"),
        ("add_link", None, errors.InvalidInput, "missing_url"),
        ("update_link", {"url": URL}, errors.NotFound, "no_such_link"),
        ("delete_link", URL, errors.NotFound, "no_such_link"),
        ("delete_link", None, errors.InvalidInput, "missing_url"),
        ("get_links", {"url_regex": "("}, errors.InvalidInput, "invalid_regex"),
        ("get_links", {"start_token": "x"}, errors.InvalidInput, "invalid_token"),
    ],
)
def test_a_refusal_is_of_the_exact_kind_and_tells_nobody(
    service, told, method, argument, kind, code
):
    with pytest.raises(errors.ServiceError) as refusal:
        getattr(service, method)("alice", argument)
    assert type(refusal.value) is kind
    assert refusal.value.code == code
    assert told == []


def test_a_change_for_another_version_is_refused(service):
    version = service.add_link("alice", {"url": URL})["version"]
    changed = service.update_link("alice", {"url": URL, "title": "T"}, [version])
    assert changed["version"] != version
    for change in (
        lambda: service.update_link("alice", {"url": URL, "title": "U"}, [version]),
        lambda: service.delete_link("alice", URL, [version, "0-0"]),
        lambda: service.delete_link("alice", URL, []),
    ):
        with pytest.raises(errors.PreconditionFailed) as refusal:
            change()
        assert refusal.value.code == "link_changed"
    assert service.get_link("alice", URL) == changed
    service.delete_link("alice", URL, ["0-0", changed["version"]])


def test_each_change_of_many_has_its_own_result(service):
    kept = service.add_link("alice", {"url": URL})["version"]
    results = service.change_links(
        "alice",
        [
            {"action": "add", "url": f"{URL}1", "tags": "a"},
            {"action": "add", "url": "nothing"},
            {"action": "add", "url": URL},
            {"action": "update", "url": URL, "title": "T", "version": "0-0"},
            {"action": "update", "url": URL, "title": "T", "version": kept},
            {"action": "delete", "url": f"{URL}2"},
            {"action": "delete"},
            {"action": "follow", "url": URL},
            "add",
            {"action": "update", "url": URL, "version": 1},
            {"action": "add", "url": f"{URL}2"},
            {"action": "add", "url": f"{URL}3"},
            {"action": "delete", "url": URL},
            {"action": "add", "url": f"{URL}3"},
        ],
    )
    codes = [result["error"][1] if "error" in result else "" for result in results]
    assert codes == [
        *("", "invalid_url", "link_exists", "link_changed", "", "no_such_link", "missing_url"),
        *("invalid_action", "invalid_change", "invalid_version", "", "too_many_links", "", ""),
    ]
    assert (results[4]["link"]["title"], results[0]["link"]["tags"]) == ("T", ["a"])


@pytest.mark.parametrize("changes", [None, {}, "add", [], [{}] * 101])
def test_many_changes_are_a_list_of_some(service, changes):
    with pytest.raises(errors.InvalidInput) as refusal:
        service.change_links("alice", changes)
    assert refusal.value.code == "invalid_changes"
