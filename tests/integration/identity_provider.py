"""An identity provider over real HTTP whose answers a test sets, also misbehaving ones."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import requests

from embedded import ports
from tests.processes import until

Answer = tuple[int, str, bytes]


def as_json(value: Any, status: int = 200) -> Answer:
    return status, "application/json; charset=utf-8", json.dumps(value).encode()


@dataclass
class IdentityProvider:
    """What it answers, by path, and what it was asked: path, headers and body."""

    url: str
    answers: dict[str, Answer] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, str], str]] = field(default_factory=list)


@contextmanager
def serving() -> Iterator[IdentityProvider]:
    """Serve on a free port of loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            sent = self.rfile.read(length).decode()
            provider.requests.append((self.path, dict(self.headers), sent))
            status, kind, body = provider.answers.get(self.path, (404, "text/plain", b""))
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            for name, value in provider.headers.items():
                self.send_header(name, value)
            if 300 <= status < 400:
                self.send_header("Location", "/user")
            self.end_headers()
            self.close_connection = True
            try:
                self.wfile.write(body)
            except OSError:
                return  # the client has read enough

        do_POST = do_GET

        def log_message(self, *_: Any) -> None:
            """Keep quiet."""

    http_server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider = IdentityProvider(f"http://127.0.0.1:{http_server.server_port}")
    thread = threading.Thread(target=http_server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield provider
    finally:
        http_server.shutdown()
        http_server.server_close()
        thread.join()


@contextmanager
def openid_provider(claims: dict[str, Any]) -> Iterator[str]:
    """Run an OpenID provider that others wrote, with one user; yield its issuer's address."""
    port = ports.free_port()
    program = [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "--port", str(port)]
    url = f"http://localhost:{port}"

    def answers() -> bool:
        try:
            return requests.get(f"{url}/.well-known/openid-configuration", timeout=2).ok
        except requests.ConnectionError:
            return False

    with subprocess.Popen(
        [*program, "--user-claims", json.dumps(claims)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            until(answers, 30)
            yield url
        finally:
            process.terminate()
