"""A service's web server as a process, spoken to over plain sockets."""

import http.client
import json
import resource
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from embedded import ports
from tests.processes import ServiceProcess, until

SERVICE = "tests.integration.http_services"
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": "chassis.telemetry.JsonFormatter"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"level": "INFO", "handlers": ["console"]},
    "loggers": {"nameko": {"level": "WARNING"}, "nameko.containers": {"level": "CRITICAL"}},
}


class Server:
    """The toy service on a free port."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.port, self.metrics_port = ports.free_port(), ports.free_port()
        config = {
            "SERVICE_CONTAINER_CLS": "chassis.container.Container",
            "BIND_HOST": "127.0.0.1",
            "HTTP_PORTS": {"toy": self.port},
            "METRICS_PORTS": {"toy": self.metrics_port},
            "RPC_TIMEOUT_SECONDS": 2,
            "STOP_GRACE_SECONDS": 3,
            "REQUEST_READ_SECONDS": 1,
            "MAX_CONNECTIONS": 50,
            "MAX_BODY_BYTES": 1000,
            "MAX_HEADER_LINE_BYTES": 1000,
            "MAX_HEADER_BYTES": 4000,
            "max_workers": 4,
            "LOGGING": LOGGING,
            **settings,
        }
        self.process = ServiceProcess(SERVICE, config=config, folder=folder)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=5)

    def client(self, port: int = 0) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=5)

    def get(self, path: str, method: str = "GET", port: int = 0, **more: Any) -> "Answer":
        with closing(self.client(port)) as client:
            client.request(method, path, **more)
            return Answer(client.getresponse())

    def live(self) -> bool:
        return self.get("/health/live").status == 200

    def talk(self, raw: bytes) -> bytes:
        """Send bytes and return all that comes back until the server closes."""
        with closing(self.connect()) as sock:
            sock.sendall(raw)
            return received(sock)


class Answer:
    """An answer, read whole."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status, self.headers, self.body = response.status, response.headers, response.read()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def received(sock: socket.socket) -> bytes:
    raw = b""
    while piece := sock.recv(65536):
        raw += piece
    return raw


@contextmanager
def running(folder: Path, **settings: Any) -> Iterator[Server]:
    server = Server(folder, **settings)
    server.process.start()
    try:
        until(server.live)
        yield server
    finally:
        server.process.stop()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("toy")) as server:
        yield server
        assert server.live()


def log(server: Server) -> list[dict[str, Any]]:
    lines = server.process.log.read_text().splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


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
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Server" not in answer.headers


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
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_crash_says_nothing_outside_and_all_but_secrets_in_the_log(server: Server) -> None:
    answer = server.get("/crash", headers={"X-Request-ID": "crash-1"})

    assert b"postgres" not in answer.body
    [line] = [line for line in log(server) if line.get("request_id") == "crash-1"]
    assert "ValueError: postgresql://user:[redacted]@host/db" in line["exception"]
    assert line["call_id"].startswith("toy.crash.")


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
    assert answer.headers["Content-Length"] == str(len('{"hello":"bob","id":"x"}'))


@pytest.mark.parametrize(
    ("wanted", "kept"), [("abc-1.2_X", True), ("a b", False), ("x" * 65, False)]
)
def test_request_id_is_returned_or_made(server: Server, wanted: str, kept: bool) -> None:
    answer = server.get("/hello/bob", headers={"X-Request-ID": wanted})

    assert (answer.headers["X-Request-ID"] == wanted) == kept
    assert answer.json["id"] == answer.headers["X-Request-ID"]


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


def test_http_1_0_is_answered_and_closed(server: Server) -> None:
    assert b'"hello":"bob"' in server.talk(b"GET /hello/bob HTTP/1.0\r\n\r\n")


def test_pipelined_requests_are_answered_in_order(server: Server) -> None:
    one = b"GET /hello/%d HTTP/1.1\r\nHost: x\r\n%s\r\n"
    raw = server.talk(one % (1, b"") + one % (2, b"") + one % (3, b"Connection: close\r\n"))

    assert [raw.index(b'"hello":"%d"' % n) for n in (1, 2, 3)] == sorted(
        raw.index(b'"hello":"%d"' % n) for n in (1, 2, 3)
    )


def test_client_that_waits_to_be_asked_is_asked(server: Server) -> None:
    head = b"POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"
    with closing(server.connect()) as sock:
        sock.sendall(head % 2)
        assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"{}")
        assert sock.recv(12) == b"HTTP/1.1 200"
    assert server.talk(head % 2000).startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\nHost: x\n\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n" + b"x" * 1001, 413),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n", 413),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"x" * 2000 + b"\r\n\r\n", 431),
        (b"POST / HTTP/1.1\r\nHost: x\r\nExpect: magic\r\nContent-Length: 1\r\n\r\n", 417),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\n", 408),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabc", 408),
    ],
)
def test_malformed_request_is_answered_and_the_connection_closed(
    server: Server, raw: bytes, status: int
) -> None:
    answer = server.talk(raw)
    head, _, body = answer.partition(b"\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert b"Connection: close" in head
    assert json.loads(body)["status"] == status


def test_smuggled_request_is_not_answered(server: Server) -> None:
    raw = server.talk(
        b"POST /made HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"0\r\n\r\nGET /hello/smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
    )
    assert raw.count(b"HTTP/1.1 ") == 1


def test_endless_body_is_cut_off(server: Server) -> None:
    with closing(server.connect()) as sock:
        sock.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        with pytest.raises(OSError, match=r"reset|pipe"):
            send_for_ever(sock, b"1f4\r\n" + b"x" * 500 + b"\r\n")


def send_for_ever(sock: socket.socket, piece: bytes) -> None:
    while True:
        sock.sendall(piece)


def test_silent_client_is_closed(server: Server) -> None:
    assert server.talk(b"") == b""


def test_clients_that_leave_do_no_harm(server: Server) -> None:
    for raw in (b"", b"GET", b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"):
        server.connect().close()
        with closing(server.connect()) as sock:
            sock.sendall(raw)
    with closing(server.connect()) as sock:
        sock.sendall(b"GET /big/3000000 HTTP/1.1\r\nHost: x\r\n\r\n")

    assert server.live()


def test_too_many_connections_close_those_that_only_wait(server: Server) -> None:
    waiting = [server.connect() for _ in range(60)]
    try:
        assert server.live()
        assert waiting[0].recv(1) == b""
    finally:
        for sock in waiting:
            sock.close()


def test_full_pool_is_busy_and_leaves_health_alone(server: Server) -> None:
    sleepers = [server.client() for _ in range(4)]
    for client in sleepers:
        client.request("GET", "/sleep/1.5")
    until(lambda: b'service_workers{service="toy"} 4.0' in metrics(server))
    answer = server.get("/hello/bob")

    assert (answer.status, answer.json["code"]) == (503, "busy")
    assert answer.headers["Retry-After"] == "1"
    assert server.live()
    assert [client.getresponse().status for client in sleepers] == [200] * 4
    for client in sleepers:
        client.close()


def metrics(server: Server) -> bytes:
    return server.get("/metrics", port=server.metrics_port).body


def test_metrics_have_their_own_port(server: Server) -> None:
    server.get("/kind/AlreadyExists")

    assert b'outcome="AlreadyExists",service="toy"' in metrics(server)
    assert b'http_answers_total{service="toy",status="409"}' in metrics(server)
    assert server.get("/metrics").status == 404


def test_ready_without_neighbours(server: Server) -> None:
    assert server.get("/health/ready").json == {"status": "ready"}


def test_happy_path_says_nothing(server: Server) -> None:
    before = server.process.log.stat().st_size
    server.get("/echo?access_token=secret")
    server.get("/none?code=secret")

    assert server.process.log.stat().st_size == before


def test_port_in_use_stops_the_start_with_one_line(server: Server, tmp_path: Path) -> None:
    other = Server(tmp_path, HTTP_PORTS={"toy": server.port})
    other.process.start()

    assert other.process.wait() != 0
    text = other.process.log.read_text()
    assert f"Error: port {server.port} on 127.0.0.1 is in use (HTTP_PORTS.toy" in text
    assert "Traceback" not in text


def test_stop_finishes_what_has_begun_and_exits(tmp_path: Path) -> None:
    with running(tmp_path) as server, closing(server.client()) as busy:
        busy.request("GET", "/sleep/0.5")
        with closing(server.client()) as kept, closing(server.connect()) as idle:
            kept.request("GET", "/hello/one")
            kept.getresponse().read()
            server.process.signal(signal.SIGTERM)
            until(lambda: refused(server))
            kept.request("GET", "/hello/two")
            last = kept.getresponse()
            assert (last.status, last.headers["Connection"]) == (200, "close")
            assert busy.getresponse().status == 200
            assert idle.recv(1) == b""
        began = time.monotonic()
        assert server.process.wait() == 0
        assert time.monotonic() - began < 3


def refused(server: Server) -> bool:
    try:
        server.connect().close()
    except ConnectionRefusedError:
        return True
    return False


def test_no_file_descriptors_left_is_survived(tmp_path: Path) -> None:
    with running(tmp_path, MAX_CONNECTIONS=500) as server:
        _, most = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (40, most))
        waiting = [server.connect() for _ in range(60)]
        until(server.live, 5)
        for sock in waiting:
            sock.close()
        assert server.process.alive()
        assert [line["message"] for line in log(server)][:1] == [
            "cannot accept connections: Too many open files"
        ]
