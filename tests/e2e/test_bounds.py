"""What strangers send leaves nothing behind that would grow with it: no number, no open file."""

import subprocess
import sys
from collections.abc import Callable
from http.client import HTTPConnection

import psutil
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.api import Api
from tests.e2e.system import ROOT, System
from tests.processes import until

TIMES = 40
OF_REQUESTS = ("http_", "grpc_", "problems", "worker_", "call_", "calls")
# grpcio must not share a process with eventlet.
ODD_CALLS = """
import sys, grpc
with grpc.insecure_channel(sys.argv[1]) as channel:
    for number in range(int(sys.argv[2])):
        for path in (f"/pb.News/Odd{number}", f"/odd{number}/GetNews"):
            try:
                channel.unary_unary(path)(b"", timeout=5, metadata=[(f"odd-{number}", "x")])
            except grpc.RpcError as error:
                assert error.code() is grpc.StatusCode.UNIMPLEMENTED, error
            else:
                raise AssertionError(path)
"""


def series(system: System, key: str) -> set[tuple[str, frozenset[tuple[str, str]]]]:
    """Return the names and labels of the numbers that requests make."""
    api = Api(f"http://127.0.0.1:{system.port(key)}")
    api.call("GET", "/metrics")  # which is counted itself
    page = api.call("GET", "/metrics")
    families = text_string_to_metric_families(page.text)
    samples = (sample for family in families for sample in family.samples)
    return {
        (sample.name, frozenset(sample.labels.items()))
        for sample in samples
        if sample.name.startswith(OF_REQUESTS)
    }


def ask_oddly(api: Api, number: int) -> None:
    """Put the number wherever a stranger can put something."""
    word = f"odd{number}"
    for answer in (
        api.call("GET", f"/{word}"),
        api.call("GET", f"/v1.0/{word}"),
        api.call(word.upper(), "/v1.0/links"),
        api.call("GET", "/v1.0/links", headers={"Access-Token": word}),
        api.call("POST", "/v1.0/links", json={"url": word, word: word}),
        api.call("PUT", "/v1.0/links", json={"url": f"https://{word}.example.org/", "title": "t"}),
        api.call("GET", "/v1.0/news", params={"start_token": word}, headers={word: word}),
    ):
        assert 400 <= answer.status_code < 500, answer.text


def test_requests_make_no_new_numbers(system: System, newcomer: Callable[[str], Api]) -> None:
    api = newcomer("odd")
    ask_oddly(api, 0)
    before = series(system, "METRICS_PORTS.gateway"), series(system, "HTTP_PORTS.link_svc")
    for number in range(1, TIMES):
        ask_oddly(api, number)
    assert before == (
        series(system, "METRICS_PORTS.gateway"),
        series(system, "HTTP_PORTS.link_svc"),
    )


def test_calls_over_grpc_make_no_new_numbers(system: System) -> None:
    target = f"127.0.0.1:{system.port('GRPC_BIND_PORT')}"

    def call_oddly(times: int) -> set[tuple[str, frozenset[tuple[str, str]]]]:
        command = [sys.executable, "-c", ODD_CALLS, target, str(times)]
        subprocess.run(command, cwd=ROOT, check=True, timeout=60)
        return series(system, "HTTP_PORTS.news_svc")

    assert call_oddly(1) == call_oddly(TIMES)


def test_connections_that_end_leave_no_open_files(system: System) -> None:
    gateway = psutil.Process(system.pid("gateway"))
    before = gateway.num_fds()
    port = system.port("HTTP_PORTS.gateway")
    connections = [HTTPConnection("127.0.0.1", port, timeout=10) for _ in range(TIMES)]
    for number, connection in enumerate(connections):
        connection.connect()
        if number % 2:
            connection.putrequest("GET", "/")  # and never the end of it
    until(lambda: gateway.num_fds() >= before + TIMES)
    for connection in connections:
        connection.close()
    until(lambda: gateway.num_fds() <= before + 2)  # the system's own connections come and go
