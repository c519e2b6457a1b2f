"""The demo's client of the API, against a server that is not at its best."""

import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import ClassVar

import pytest

from bench.api import Api
from embedded.errors import CannotStart


class Moody(BaseHTTPRequestHandler):
    """Answers as it is told, and closes the connection without a word if it is told so."""

    answers: ClassVar[list[tuple[int, bytes]]] = []
    closes: ClassVar[bool] = False
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        status, body = self.answers.pop(0)
        self.send_response(status)
        self.send_header("Retry-After", "0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = self.closes

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Moody) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_busy_server_is_asked_again(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Moody, "answers", [(503, b"{}"), (429, b"{}"), (200, b'{"err": ""}')])
    with closing(Api(url)) as api:
        assert api.get("/", "token").status == 200


def test_connection_that_was_closed_is_opened_again(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Moody, "answers", [(200, b"{}"), (200, b"{}")])
    monkeypatch.setattr(Moody, "closes", True)
    with closing(Api(url)) as api:
        assert [api.get("/", "token").status for _ in range(2)] == [200, 200]


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]"])
def test_answer_that_is_no_document_has_its_status_for_a_code(
    url: str, monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    monkeypatch.setattr(Moody, "answers", [(500, body)])
    with closing(Api(url)) as api:
        assert api.get("/", "token").code == "500"


def test_nobody_there_is_told_in_one_line() -> None:
    with closing(Api("http://127.0.0.1:1")) as api, pytest.raises(CannotStart, match="make run"):
        api.get("/", "token")
