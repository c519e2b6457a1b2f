import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import InvalidInput
from link_svc import schemas
from link_svc.domain import Link
from link_svc.listing import Order, Page, Position, Query

URL = "https://example.com/a"
NOW = datetime(2026, 5, 17, tzinfo=UTC)
PLACE = Position(NOW, 7)


def token_of(query, place=PLACE):
    return schemas.page(query, Page([], place))["next_token"]


def test_a_new_link_is_read():
    document = {"url": URL, "title": "T", "description": "D", "tags": ["b", "a"], "more": 1}
    new = schemas.new_link("alice", document)
    assert (new.key.owner, new.key.url, new.title, new.description) == ("alice", URL, "T", "D")
    assert new.tags == {"a", "b"}


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (["a", "b", "a"], {"a", "b"}),
        ([" a "], {"a"}),
        ({"a": True, "b": False}, {"a"}),
        ("a, b,,", {"a", "b"}),
        ("", set()),
        ([], set()),
        ({}, set()),
        (None, set()),
    ],
)
def test_tags_come_in_three_shapes(tags, expected):
    assert schemas.new_link("alice", {"url": URL, "tags": tags}).tags == expected


LETTERS = st.characters(exclude_categories=("Cc", "Cs"), exclude_characters=",")
TAGS = st.text(LETTERS, min_size=1, max_size=20).filter(lambda tag: tag == tag.strip())


@given(tags=st.sets(TAGS, max_size=8), off=st.sets(TAGS, max_size=4))
def test_every_form_of_the_same_tags_means_the_same(tags, off):
    text = ", ".join(sorted(tags)) + " ,"
    forms = [list(tags), [f" {tag} " for tag in tags] * 2, text]
    forms.append(dict.fromkeys(off - tags, False) | dict.fromkeys(tags, True))
    assert [schemas.new_link("alice", {"url": URL, "tags": form}).tags for form in forms] == [
        tags
    ] * len(forms)


@pytest.mark.parametrize(
    "tags", [5, True, [1], [None], [["a"]], {"a": 1}, {"a": "true"}, [""], ["a,b"], {"a,b": True}]
)
@pytest.mark.parametrize("field", ["tags", "add_tags", "remove_tags", "tag"])
def test_tags_that_are_none_are_refused(tags, field):
    read = {"tags": schemas.new_link, "tag": schemas.query}.get(field, schemas.changes)
    with pytest.raises(InvalidInput) as refusal:
        read("alice", {"url": URL, field: tags})
    assert (refusal.value.code, refusal.value.field) == ("invalid_tag", field)


@pytest.mark.parametrize("value", [5, True, ["x"], {"a": 1}, 1.5])
@pytest.mark.parametrize(
    ("read", "field"),
    [
        (schemas.new_link, "url"),
        (schemas.new_link, "title"),
        (schemas.new_link, "description"),
        (schemas.changes, "url"),
        (schemas.changes, "title"),
        (schemas.query, "url_regex"),
        (schemas.query, "title_regex"),
        (schemas.query, "description_regex"),
        (schemas.query, "start_token"),
        (schemas.query, "order"),
    ],
)
def test_what_is_not_a_text_is_refused_by_its_name(read, field, value):
    with pytest.raises(InvalidInput) as refusal:
        read("alice", {"url": URL, field: value})
    assert (refusal.value.code, refusal.value.field) == ("invalid_text", field)


@pytest.mark.parametrize("document", ["text", 5, ["url"], True])
@pytest.mark.parametrize("read", [schemas.new_link, schemas.changes, schemas.query])
def test_parameters_that_are_no_object_are_refused(read, document):
    with pytest.raises(InvalidInput):
        read("alice", document)


@pytest.mark.parametrize("name", [None, 5, "", "a b", ["alice"]])
def test_a_user_name_that_is_none_is_refused(name):
    for read in (schemas.new_link, schemas.changes, schemas.query):
        with pytest.raises(InvalidInput) as refusal:
            read(name, {"url": URL})
        assert refusal.value.field == "username"


@pytest.mark.parametrize("url", [None, "", 5])
def test_a_key_needs_a_url(url):
    with pytest.raises(InvalidInput) as refusal:
        schemas.key("alice", url)
    assert refusal.value.field == "url"


def test_changes_tell_absent_from_empty():
    changes = schemas.changes("alice", {"url": URL, "title": ""})
    assert (changes.title, changes.description) == ("", None)
    assert schemas.changes("alice", {"url": URL, "title": None}).title is None


def test_an_empty_query_lists_everything_ten_at_a_time():
    assert schemas.query("alice", {}) == Query("alice", page_size=10)
    blank = {"url_regex": "", "tag": "", "start_token": "", "page_size": "", "order": None}
    assert schemas.query("alice", blank) == Query("alice")


def test_a_query_is_read():
    query = schemas.query(
        "alice", {"title_regex": "x", "tag": ["a", "b"], "page_size": "25", "order": "newest"}
    )
    assert [(pattern.part, pattern.text) for pattern in query.patterns] == [("title", "x")]
    assert (query.tags, query.page_size, query.order) == ({"a", "b"}, 25, Order.NEWEST)


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        *(
            ("page_size", value, "invalid_page_size")
            for value in (0, 101, -5, True, 1.0, "x", "-1", "1e1", "٣", "9" * 5000, [], {})
        ),
        ("order", "upwards", "invalid_order"),
        ("order", "OLDEST", "invalid_order"),
        ("url_regex", "(", "invalid_regex"),
        ("title_regex", "x" * 257, "regex_too_long"),
    ],
)
def test_a_bad_query_is_refused_by_its_name(field, value, code):
    with pytest.raises(InvalidInput) as refusal:
        schemas.query("alice", {field: value})
    assert (refusal.value.code, refusal.value.field) == (code, field)


def test_a_page_is_dumped_and_ends_without_a_token():
    link = Link("alice", URL, "T", "", (), NOW, NOW).document()
    assert schemas.page(Query("alice"), Page([link], None)) == {
        "links": [link],
        "next_token": "",
    }


@given(
    st.datetimes(timezones=st.just(UTC)),
    st.integers(min_value=0, max_value=2**63 - 1),
)
def test_a_token_leads_back_to_its_place(time, id_):
    place = Position(time, id_)
    token = token_of(Query("alice"), place)
    assert schemas.query("alice", {"start_token": token}).after == place
    assert token.replace("-", "").replace("_", "").isalnum()


def test_a_token_may_be_used_with_another_page_size():
    token = token_of(Query("alice"))
    assert schemas.query("alice", {"start_token": token, "page_size": 50}).after == PLACE


def test_a_token_of_another_listing_is_refused():
    token = token_of(Query("alice"))
    for username, document in [
        ("bob", {}),
        ("alice", {"url_regex": "x"}),
        ("alice", {"tag": "x"}),
        ("alice", {"order": "newest"}),
    ]:
        refused(username, document, token)
    filtered = token_of(schemas.query("alice", {"url_regex": "x"}))
    refused("alice", {"title_regex": "x"}, filtered)
    refused("alice", {"url_regex": "y"}, filtered)


def refused(username, document, token):
    with pytest.raises(InvalidInput) as refusal:
        schemas.query(username, {**document, "start_token": token})
    assert (refusal.value.code, refusal.value.field) == ("invalid_token", "start_token")


@pytest.mark.parametrize(
    "token",
    [
        "x",
        "-1",
        "é" * 44,
        "\ud800",
        "\0",
        "=" * 44,
        "A" * 44,
        "A" * 10_000,
        "🙂",
        " " * 44,
        "2026-05-17T00:00:00Z",
    ],
)
def test_a_token_that_is_none_is_refused(token):
    refused("alice", {}, token)


def test_a_token_that_was_cut_or_changed_is_refused():
    token = token_of(Query("alice"))
    for n in range(1, len(token)):
        refused("alice", {}, token[:n])
    for n, letter in enumerate(token):
        refused("alice", {}, token[:n] + ("A" if letter != "A" else "B") + token[n + 1 :])
    refused("alice", {}, token + "A")
    refused("alice", {}, token + "\n")


def test_a_forged_time_beyond_the_calendar_is_refused():
    query = Query("alice")
    for time in (-(2**63), 2**63 - 1):
        raw = schemas._TOKEN.pack(1, time, 1, schemas._fingerprint(query, time, 1))
        refused("alice", {}, base64.urlsafe_b64encode(raw).decode())


@given(st.text(max_size=60))
def test_no_text_breaks_the_reading_of_tokens(text):
    if text:
        refused("alice", {}, text)


def test_documents_survive_json():
    tags = ("日本", "emoji 🙂", "עברית")
    link = Link("alice", URL, "e\u0301", "\u202e", tags, NOW, NOW + timedelta(microseconds=1))
    document = schemas.dump(replace(link))
    assert json.loads(json.dumps(document)) == document
