"""Parameters wherever they were put, and what is refused."""

from typing import Any

import pytest
from werkzeug.exceptions import UnsupportedMediaType
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request

from chassis.errors import InvalidInput
from chassis.http.params import MAX_DEPTH, params

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


def a_request(query: str = "", body: bytes | str = b"", kind: str | None = JSON) -> Request:
    data = body.encode() if isinstance(body, str) else body
    environ = EnvironBuilder(method="POST", data=data, content_type=kind).get_environ()
    environ["QUERY_STRING"] = query
    return Request(environ)


def refusal(request: Request) -> tuple[str, str]:
    with pytest.raises(InvalidInput) as caught:
        params(request)
    return caught.value.code, caught.value.field


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (a_request(), {}),
        (a_request("a=1&b="), {"a": "1", "b": ""}),
        (a_request("a=%C3%A9t%C3%A9+%F0%9F%92%99"), {"a": "été 💙"}),
        (a_request("a=1;b=2"), {"a": "1;b=2"}),
        (a_request("", '{"a": [1, {"b": null}], "c": 1.5}'), {"a": [1, {"b": None}], "c": 1.5}),
        (a_request("", '{"a": 1}', "application/json; charset=UTF-8"), {"a": 1}),
        (a_request("", '{"a": 1}', "application/merge-patch+json"), {"a": 1}),
        (a_request("", '{"a": 1}', None), {"a": 1}),
        (a_request("", "a=1&b=%7B", FORM), {"a": "1", "b": "{"}),
        (a_request("a=query&b=2", '{"a": "body"}'), {"a": "body", "b": "2"}),
        (a_request("a=query", "a=form", FORM), {"a": "form"}),
    ],
)
def test_params_are_merged_and_the_body_wins(request_: Request, expected: dict[str, Any]) -> None:
    assert params(request_) == expected


def test_multipart_form_is_read() -> None:
    builder = EnvironBuilder(method="POST", data={"a": "1", "b": "é"})
    builder.content_type = "multipart/form-data"

    assert params(Request(builder.get_environ())) == {"a": "1", "b": "é"}


def test_part_of_a_form_without_a_name_is_no_parameter() -> None:
    body = "--x\r\nContent-Disposition: form-data\r\n\r\ntext\r\n--x--\r\n"

    assert params(a_request("a=1", body, "multipart/form-data; boundary=x")) == {"a": "1"}


@pytest.mark.parametrize("kind", ["query", "form"])
def test_repeated_parameter_is_a_list_only_where_asked(kind: str) -> None:
    text = "tag=a&tag=b&tag=c&other=1"
    request = a_request(text) if kind == "query" else a_request("", text, FORM)

    assert params(request, lists=("tag",)) == {"tag": ["a", "b", "c"], "other": "1"}
    assert refusal(request) == ("repeated_parameter", "tag")


@pytest.mark.parametrize(
    "body",
    [
        "{",
        "[]",
        '"text"',
        "null",
        "12",
        '{"a": 1} x',
        '{"a": 1, "a": 1}',
        '{"x": {"a": 1, "a": 2}}',
        '{"a": NaN}',
        '{"a": -Infinity}',
        '{"a": 1e999}',
        '{"a": ' + "1" * 5000 + "}",
        "\ufeff{}",
        '{"a": ' + "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1) + "}",
        '{"a":' * 10_000 + "1" + "}" * 10_000,
        "[" * 60_000,
        "{'a': 1}",
        '{"a": "\0"}',
    ],
)
def test_bad_json_is_refused(body: str) -> None:
    assert refusal(a_request("", body)) == ("invalid_json", "body")


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (a_request("a=%ff"), "query"),
        (a_request("a=\xff"), "query"),
        (a_request("%ed%a0%80=1"), "query"),
        (a_request("", b'{"a": "\xff"}'), "body"),
        (a_request("", b"a=%ff", FORM), "body"),
        (a_request("", b"\xc3", FORM), "body"),
    ],
)
def test_invalid_utf_8_is_refused(request_: Request, field: str) -> None:
    assert refusal(request_) == ("invalid_encoding", field)


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (a_request("url=%00"), "url"),
        (a_request("", '{"url": "a\\u0000b"}'), "url"),
        (a_request("", '{"url": "\\ud800"}'), "url"),
        (a_request("", '{"tags": ["ok", {"\\udfff": 1}]}'), "tags"),
        (a_request("", '{"\\u0000": 1}'), "body"),
    ],
)
def test_nul_and_lone_surrogates_are_refused(request_: Request, field: str) -> None:
    assert refusal(request_) == ("invalid_text", field)


def test_paired_surrogates_are_one_character() -> None:
    assert params(a_request("", '{"a": "\\ud83d\\udc99"}')) == {"a": "💙"}


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/xml", "application/json; charset=latin-1", "nonsense"]
)
def test_other_media_types_are_refused(kind: str) -> None:
    with pytest.raises(UnsupportedMediaType):
        params(a_request("", "{}", kind))


def test_media_type_of_no_body_does_not_matter() -> None:
    assert params(a_request("a=1", b"", "text/plain")) == {"a": "1"}


def test_compressed_body_is_refused() -> None:
    request = a_request("", "{}")
    request.environ["HTTP_CONTENT_ENCODING"] = "gzip"
    with pytest.raises(UnsupportedMediaType):
        params(Request(request.environ))


def test_uploaded_file_is_refused() -> None:
    part = 'Content-Disposition: form-data; name="a"; filename="b"'
    body = f"--x\r\n{part}\r\n\r\ntext\r\n--x--\r\n"
    with pytest.raises(UnsupportedMediaType):
        params(a_request("", body, "multipart/form-data; boundary=x"))
