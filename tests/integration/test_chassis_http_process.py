"""The process around the web server: its log, its ports, its end."""

import resource
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from nameko.cli.utils.config import load_config

from chassis.http.connection import LONG_BODIES
from embedded import ports
from tests.integration.http_server import Answer, Server, log, running
from tests.processes import ROOT, until

STOP_SECONDS = 25.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("toy")) as server:
        yield server
        assert server.live()


def test_crash_says_nothing_outside_and_all_but_secrets_in_the_log(server: Server) -> None:
    answer = server.get("/crash", headers={"X-Request-ID": "crash-1"})

    assert b"postgres" not in answer.body
    [line] = [line for line in log(server) if line.get("request_id") == "crash-1"]
    assert "ValueError: postgresql://user:[redacted]@host/db" in line["exception"]
    assert line["call_id"].startswith("toy.crash.")


def test_metrics_have_their_own_port(server: Server) -> None:
    server.get("/kind/AlreadyExists")

    assert b'outcome="AlreadyExists",service="toy"' in server.metrics()
    counted = b'http_requests_total{method="GET",route="/kind/<name>",service="toy",status="409"}'
    assert counted in server.metrics()
    assert server.get("/metrics").status == 404


def test_ready_without_neighbours(server: Server) -> None:
    assert server.get("/health/ready").json == {"status": "ready", "dependencies": {"NATS": "up"}}


def answers(server: Server) -> int:
    """Return how many times a process has said hello."""
    lines = server.metrics().decode().splitlines()
    greeted = (line for line in lines if line.startswith("http_requests_total{"))
    return sum(int(float(line.split()[-1])) for line in greeted if "/hello/" in line)


def test_processes_share_a_port_where_they_are_told_to(tmp_path: Path) -> None:
    with running(tmp_path, SHARE_HTTP_PORT=True) as one:
        other = Server(tmp_path, SHARE_HTTP_PORT=True, HTTP_PORTS={"toy": one.port})
        other.process.start()
        try:
            until(lambda: other.metrics() and one.get("/hello/bob").status == 200)
            until(lambda: one.get("/hello/bob") and answers(one) and answers(other))
            one.process.stop()
            assert [one.get("/hello/bob").status for _ in range(20)] == [200] * 20
        finally:
            other.process.stop()


def test_happy_path_says_nothing(server: Server) -> None:
    before = server.process.log.stat().st_size
    server.get("/echo?access_token=secret")
    server.get("/none?code=secret")

    assert server.process.log.stat().st_size == before


def test_access_log_has_the_route_and_neither_path_nor_query(tmp_path: Path) -> None:
    with running(tmp_path, ACCESS_LOG=True) as server:
        parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        server.get("/hello/bob?code=secret", headers={"Traceparent": parent})
        server.get("/secret", headers={"X-Request-ID": "r2"})
        server.get("/health/ready")
        server.get("/metrics", port=server.metrics_port)
        first, second = [line for line in log(server) if line["logger"] == "access"]

    assert isinstance(first.pop("milliseconds"), float)
    assert first == {
        "time": first["time"],
        "level": "info",
        "logger": "access",
        "message": "answered",
        "service": "toy",
        "request_id": "0af7651916cd43dd8448eb211c80319c",
        "method": "GET",
        "route": "/hello/<name>",
        "status": 200,
    }
    assert (second["route"], second["status"], second["request_id"]) == ("unmatched", 404, "r2")


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


def test_only_so_many_long_bodies_arrive_at_a_time(tmp_path: Path) -> None:
    """Nobody has shown a token before the body is there: they must not fill the memory."""
    head = b"POST /upload HTTP/1.1\r\nHost: toy\r\nContent-Length: %d\r\n\r\n"
    with running(tmp_path, REQUEST_READ_SECONDS=20) as server, ExitStack() as stack:
        arriving = [stack.enter_context(closing(server.connect())) for _ in range(LONG_BODIES)]
        for sock in arriving:
            sock.sendall(head % 4000)
        refusal = until(lambda: refused_upload(server))
        assert (refusal.status, refusal.json["code"]) == (503, "busy")
        assert int(refusal.headers["Retry-After"]) > 0
        assert server.get("/upload", "POST", body=b"x" * 900).json == {"size": 900}
        arriving[0].sendall(b"x" * 4000)
        assert b'{"size":4000}' in arriving[0].recv(65536)
        assert server.get("/upload", "POST", body=b"x" * 4000).json == {"size": 4000}


def refused_upload(server: Server) -> Answer | None:
    answer = server.get("/upload", "POST", body=b"x" * 4000)
    return None if answer.status == 200 else answer


def test_stop_ends_while_a_worker_hangs(tmp_path: Path) -> None:
    """B15: with the grace as it is configured; the others are answered meanwhile."""
    grace = load_config((ROOT / "config.yaml").read_text())["STOP_GRACE_SECONDS"]
    with running(tmp_path, STOP_GRACE_SECONDS=grace, EXCHANGE_SECONDS=60) as server:
        with closing(server.client()) as hung, closing(server.client()) as busy:
            hung.request("GET", "/hang")
            busy.request("GET", "/sleep/1.0")
            server.get("/hello/one")  # who came later is answered: both have begun
            began = time.monotonic()
            server.process.signal(signal.SIGTERM)
            assert busy.getresponse().status == 200
            assert server.process.wait() == 0
        assert grace / 2 < time.monotonic() - began < STOP_SECONDS
        assert "stopping with 1 workers unfinished" in server.process.log.read_text()


def refused(server: Server) -> bool:
    try:
        server.connect().close()
    except ConnectionRefusedError:
        return True
    return False


def test_metrics_share_the_port_unless_told_otherwise(tmp_path: Path) -> None:
    with running(tmp_path, METRICS_PORTS={}) as server:
        assert b"process_resident_memory_bytes" in server.get("/metrics").body


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


def test_collector_of_traces_that_is_away_delays_nobody(tmp_path: Path) -> None:
    nobody = f"http://127.0.0.1:{ports.free_port()}"
    with running(tmp_path, OTLP_ENDPOINT=nobody) as server:
        for _ in range(20):
            assert server.get("/hello/bob").status == 200
        began = time.monotonic()
        assert server.process.stop() == 0
    assert time.monotonic() - began < 10
