"""HTTP entrypoints of a real process: what goes in, and what comes out."""

import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from tests.integration.http_server import Answer, Server, running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("toy")) as server:
        yield server
        assert server.live()


@pytest.mark.parametrize(
    ("method", "path", "status", "body"),
    [
        ("GET", "/echo?a=1&tag=x&tag=y", 200, {"a": "1", "tag": ["x", "y"]}),
        ("POST", "/echo/?a=1", 200, {"a": "1"}),
        ("DELETE", "/echo?a=1", 200, {"a": "1"}),
        ("POST", "/made", 201, {"made": True}),
    ],
)
def test_mapping_is_answered_as_json(
    server: Server, method: str, path: str, status: int, body: Any
) -> None:
    answer = server.get(path, method)

    assert (answer.status, answer.json) == (status, body)
    assert answer.headers["Content-Type"] == "application/json"
    kept = "private, no-cache" if method == "GET" else "no-store"
    assert answer.headers["Cache-Control"] == kept


def test_response_is_answered_as_it_is(server: Server) -> None:
    answer = server.get("/page")

    assert (answer.body, answer.headers["Cache-Control"]) == (b"<p>", "public")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "GET"])
@pytest.mark.parametrize("chunked", [False, True])
def test_body_is_read_with_every_method(server: Server, method: str, chunked: bool) -> None:
    body = b'{"a": "' + b"x" * 500 + b'"}'
    answer = server.get(
        "/echo",
        method,
        body=iter([body[:9], body[9:]]) if chunked else body,
        encode_chunked=chunked,
    )

    assert answer.json == {"a": "x" * 500}


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/kind/NotFound", 404, "some_code"),
        ("/kind/Unavailable", 503, "some_code"),
        ("/none", 404, "not_found"),
        ("/crash", 500, "internal_error"),
        ("/nothing", 500, "internal_error"),
        ("/killed", 503, "interrupted"),
        ("/timeout", 503, "deadline_passed"),
        ("/sleep/9.0", 503, "deadline_passed"),
        ("/echo?a=1&a=2", 400, "repeated_parameter"),
        ("/echo?a=%ff", 400, "invalid_encoding"),
        ("/%ff", 400, "invalid_encoding"),
        ("/hello/%00", 400, "invalid_encoding"),
        ("/" + "a" * 2000, 414, "url_too_long"),
    ],
)
def test_error_is_a_problem_document(server: Server, path: str, status: int, code: str) -> None:
    answer = server.get(path)

    assert (answer.status, answer.json["code"]) == (status, code)
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_unknown_method_names_those_that_are_known(server: Server) -> None:
    for method in ("PATCH", "TRACE", "FOO"):
        answer = server.get("/echo", method)
        assert (answer.status, answer.json["code"]) == (405, "method_not_allowed")
        assert answer.headers["Allow"] == "DELETE, GET, HEAD, OPTIONS, POST, PUT"
    assert server.get("/health/live", "POST").status == 405


@pytest.mark.parametrize("path", ["/echo", "/health/live", "*"])
def test_options_names_the_methods(server: Server, path: str) -> None:
    answer = server.get(path, "OPTIONS")

    assert (answer.status, answer.body) == (204, b"")
    assert "GET" in answer.headers["Allow"]


def test_head_is_get_without_the_body(server: Server) -> None:
    answer = server.get("/hello/bob", "HEAD", headers={"X-Request-ID": "x"})

    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["Content-Length"] == str(len('{"hello":"bob","id":"x"}\n'))


@pytest.mark.parametrize(
    ("wanted", "kept"), [("abc-1.2_X", True), ("a b", False), ("x" * 65, False)]
)
def test_request_id_is_returned_or_made(server: Server, wanted: str, kept: bool) -> None:
    answer = server.get("/hello/bob", headers={"X-Request-ID": wanted})

    assert (answer.headers["X-Request-ID"] == wanted) == kept
    assert answer.json["id"] == answer.headers["X-Request-ID"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("GET", "/echo"), ("POST", "/made"), ("GET", "/page"), ("GET", "/health/live")),
        *(("GET", "/none"), ("PATCH", "/echo"), ("OPTIONS", "/echo"), ("OPTIONS", "*")),
        *(("GET", "/crash"), ("GET", "/%ff"), ("GET", "/" + "a" * 2000), ("BAD METHOD", "/")),
    ],
)
def test_every_answer_has_the_headers_of_security(server: Server, method: str, path: str) -> None:
    raw = server.talk(f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    headers = raw.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    found = {name.lower(): text for name, _, text in (line.partition(": ") for line in headers)}

    assert found["x-content-type-options"] == "nosniff"
    assert found["referrer-policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in found["content-security-policy"]
    assert "cache-control" in found
    assert "server" not in found
    assert len(found) == len(headers)  # none is given twice


def test_get_has_an_etag_and_the_same_again_is_304(server: Server) -> None:
    first = server.get("/echo?a=1")
    etag = first.headers["ETag"]
    assert etag.startswith('"')
    assert set(first.headers["Vary"].split(", ")) == {"Access-Token", "Authorization", "Accept"}
    for given in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        for method in ("GET", "HEAD"):
            again = server.get("/echo?a=1", method, headers={"If-None-Match": given})
            assert (again.status, again.body) == (304, b"")
            assert again.headers["ETag"] == etag
            assert again.headers["Cache-Control"] == "private, no-cache"
            assert "Content-Type" not in again.headers
    assert server.get("/echo?a=2", headers={"If-None-Match": etag}).json == {"a": "2"}
    assert server.get("/echo?a=1", headers={"If-None-Match": "nonsense"}).status == 200
    assert server.get("/none", headers={"If-None-Match": "*"}).status == 404
    assert server.get("/echo?a=1", "POST", headers={"If-None-Match": etag}).status == 200


def test_request_carries_its_id_and_its_deadline(server: Server) -> None:
    began = time.time()
    context = server.get("/context", headers={"X-Request-ID": "r1"}).json

    assert context["request_id"] == "r1"
    assert began + 2 <= context["deadline"] <= time.time() + 2


def test_connection_is_kept(server: Server) -> None:
    with closing(server.client()) as client:
        for _ in range(3):
            client.request("POST", "/none", body=b"x" * 900)
            assert client.getresponse().read()
            assert client.sock is not None


def test_large_answer_arrives_whole(server: Server) -> None:
    assert len(server.get("/big/3000000").json["text"]) == 3000000


def test_answer_of_unknown_length_comes_in_chunks(server: Server) -> None:
    with closing(server.client()) as client:
        for _ in range(2):  # on the same connection
            client.request("GET", "/pieces/2")
            answer = Answer(client.getresponse())
            assert answer.headers["Transfer-Encoding"] == "chunked"
            assert answer.body == b"piece 0;piece 1;"
            assert client.sock is not None
    assert server.get("/pieces/2", "HEAD").body == b""


def test_answer_that_breaks_off_is_not_taken_for_whole(server: Server) -> None:
    raw = server.talk(b"GET /pieces/9 HTTP/1.1\r\nHost: x\r\n\r\n")

    assert b"piece 2;" in raw
    assert not raw.endswith(b"0\r\n\r\n")


def test_http_1_0_reads_an_answer_of_unknown_length_to_the_end(server: Server) -> None:
    raw = server.talk(b"GET /pieces/2 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    head, _, body = raw.partition(b"\r\n\r\n")

    assert body == b"piece 0;piece 1;"
    assert b"Connection: close" in head
    assert b"Transfer-Encoding" not in head


def test_http_1_0_connection_is_kept_where_that_is_asked_for(server: Server) -> None:
    one = b"GET /hello/%d HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
    raw = server.talk(one % 1 + one % 2 + b"GET /hello/3 HTTP/1.0\r\n\r\n")

    assert raw.count(b"\r\nConnection: keep-alive\r\n") == 2
    assert raw.count(b"\r\nConnection: close\r\n") == 1
    assert b'"hello":"3"' in raw


def test_header_that_no_client_could_read_is_an_error_of_ours(server: Server) -> None:
    answer = server.get("/odd")

    assert (answer.status, answer.json["code"]) == (500, "internal_error")


def test_http_1_0_is_answered_and_closed(server: Server) -> None:
    assert b'"hello":"bob"' in server.talk(b"GET /hello/bob HTTP/1.0\r\n\r\n")


def test_pipelined_requests_are_answered_in_order(server: Server) -> None:
    one = b"GET /hello/%d HTTP/1.1\r\nHost: x\r\n%s\r\n"
    raw = server.talk(one % (1, b"") + one % (2, b"") + one % (3, b"Connection: close\r\n"))

    assert [raw.index(b'"hello":"%d"' % n) for n in (1, 2, 3)] == sorted(
        raw.index(b'"hello":"%d"' % n) for n in (1, 2, 3)
    )
