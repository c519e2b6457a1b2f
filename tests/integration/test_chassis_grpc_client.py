"""The gRPC client in a service of its own, while the server comes, goes, freezes and errs."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import eventlet
import grpc
import pytest

from chassis import errors
from chassis.grpc.channel import Channel
from embedded import ports
from protos.news_pb2 import GetNewsRequest, GetNewsResponse
from protos.news_pb2_grpc import NewsServicer, add_NewsServicer_to_server
from tests.integration.grpc_processes import TIMEOUT, Answering, Asking
from tests.processes import until

# No error takes longer, and nothing takes longer to be found again.
PROMISE = 5
HEALTH_CHECK = [
    (b":method", b"POST"),
    (b":scheme", b"http"),
    (b":path", b"/grpc.health.v1.Health/Check"),
    (b":authority", b"answering"),
    (b"te", b"trailers"),
    (b"content-type", b"application/grpc"),
]
SENTENCE = "A sentence — with ünicode\n% and more."


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Answering]:
    with Answering(tmp_path_factory.mktemp("grpc")) as server:
        yield server


@pytest.fixture
def running(server: Answering) -> Iterator[Answering]:
    """Return the server, and see to it that it runs for the next test."""
    yield server
    if server.process.alive():
        server.process.signal(signal.SIGCONT)
    else:
        server.start()


@pytest.fixture(scope="module")
def asking(server: Answering, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asking]:
    with Asking(tmp_path_factory.mktemp("asking"), f"http://{server.target}") as asking:
        yield asking
        assert asking.process.alive()


def timed(call: Callable[[], str]) -> tuple[str, float]:
    began = time.monotonic()
    return call(), time.monotonic() - began


def at_once(calls: int, call: Callable[[int], str]) -> list[str]:
    with ThreadPoolExecutor(calls) as pool:
        return list(pool.map(call, range(calls)))


def test_call_is_answered(asking: Asking) -> None:
    assert asking.ask("echo", "hello") == "hello"
    assert len(asking.ask("big", "4000000")) == 4_000_000


def test_many_calls_at_a_time_get_their_own_answers(asking: Asking) -> None:
    texts = at_once(50, lambda number: asking.ask("echo", f"number-{number}"))
    assert texts == [f"number-{number}" for number in range(50)]


@pytest.mark.parametrize("kind", errors.KINDS)
def test_error_arrives_as_it_was_raised(asking: Asking, kind: type[errors.ServiceError]) -> None:
    name, code, field, _, sentence = asking.ask("raise", kind.__name__).split(" ", 4)
    assert (name, code, field, sentence) == (kind.__name__, "the_code", "field", SENTENCE)


def test_crash_of_the_server_is_unavailable(asking: Asking) -> None:
    assert asking.ask("crash").startswith("Unavailable peer_failed ")


def test_who_calls_is_told(asking: Asking) -> None:
    assert "asking.ask." in asking.ask("metadata", "x-nameko-call_id_stack")


def test_slow_server_is_unavailable_at_the_deadline(asking: Asking, server: Answering) -> None:
    text, took = timed(lambda: asking.ask("sleep", "30"))
    assert text.startswith("Unavailable peer_timed_out ")
    assert took < PROMISE
    assert asking.ask("echo", "next") == "next"


def test_dead_server_is_unavailable_at_once_and_found_again(
    asking: Asking, running: Answering
) -> None:
    pid = asking.process.pid
    for _ in range(2):
        running.process.signal(signal.SIGKILL)
        running.process.wait()
        assert asking.ask("echo", "x").startswith("Unavailable peer_away ")
        assert timed(lambda: asking.ask("echo", "x"))[1] < TIMEOUT
        running.start()
        assert until(lambda: asking.ask("echo", "back") == "back", seconds=PROMISE)
    assert asking.process.alive()
    assert asking.process.pid == pid


def test_call_under_way_ends_with_its_server(asking: Asking, running: Answering) -> None:
    with ThreadPoolExecutor(1) as pool:
        before = int(asking.ask("count"))
        call = pool.submit(asking.ask, "sleep", "1")
        until(lambda: int(asking.ask("count")) > before)
        running.process.signal(signal.SIGKILL)
        running.process.wait()
        assert call.result().startswith("Unavailable peer_away ")


def test_restart_costs_no_call_that_was_under_way(asking: Asking, running: Answering) -> None:
    with ThreadPoolExecutor(1) as pool:
        before = int(asking.ask("count"))
        call = pool.submit(asking.ask, "sleep", "1")
        until(lambda: int(asking.ask("count")) > before)
        assert running.process.stop() == 0
        assert call.result() == "1"


def test_frozen_server_is_unavailable_in_time_and_found_again(
    asking: Asking, running: Answering
) -> None:
    assert asking.ask("echo", "x") == "x"
    running.process.signal(signal.SIGSTOP)
    for _ in range(3):
        text, took = timed(lambda: asking.ask("echo", "x"))
        assert text.startswith("Unavailable peer_")
        assert took < PROMISE
    # The connection has been given up meanwhile: nothing is tried that cannot succeed.
    assert until(lambda: asking.ask("echo", "x").startswith("Unavailable peer_away "))
    running.process.signal(signal.SIGCONT)
    assert until(lambda: asking.ask("echo", "back") == "back", seconds=PROMISE)


def test_frozen_server_is_given_up_though_its_caller_had_no_more_time_itself(
    running: Answering,
) -> None:
    channel = Channel("127.0.0.1", running.port)
    assert channel.call(HEALTH_CHECK, b"", 5)
    connection = channel._connection
    assert connection is not None
    running.process.signal(signal.SIGSTOP)
    with eventlet.Timeout(0.2, False):  # a worker's deadline, before that of the call
        channel.call(HEALTH_CHECK, b"", 60)
    assert until(lambda: eventlet.sleep(0.01) or connection.closed, seconds=PROMISE)


def test_calls_beyond_the_limit_are_refused_after_a_moment(
    server: Answering, tmp_path: Path
) -> None:
    asking = Asking(tmp_path, server.target, RPC_CALLS_IN_FLIGHT=4).start()
    texts = at_once(8, lambda _: asking.ask("sleep", "1.2"))
    assert texts.count("1.2") == 4
    assert [text.split()[:2] for text in texts if text != "1.2"] == [
        ["Unavailable", "peer_busy"]
    ] * 4
    assert asking.ask("echo", "free") == "free"
    asking.process.stop()


class PlainNews(NewsServicer):
    """What grpcio's own server makes of our calls."""

    def GetNews(self, request: GetNewsRequest, context: Any) -> GetNewsResponse:
        if request.username == "echo":
            return GetNewsResponse(nextToken=request.startToken)
        if request.username == "remaining":
            return GetNewsResponse(nextToken=f"{context.time_remaining():.3f}")
        if request.username == "wait":
            ended = context.add_callback(lambda: self.ended.append(time.monotonic()))
            assert ended
            while context.is_active():
                time.sleep(0.01)
        context.abort(grpc.StatusCode[request.username], "in its own words")
        raise AssertionError

    def __init__(self) -> None:
        self.ended: list[float] = []


@pytest.fixture(scope="module")
def plain() -> Iterator[tuple[PlainNews, str]]:
    port = ports.free_port()
    server = grpc.server(ThreadPoolExecutor(8))
    news = PlainNews()
    add_NewsServicer_to_server(news, server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    yield news, f"127.0.0.1:{port}"
    server.stop(0).wait()


@pytest.fixture(scope="module")
def asking_plain(
    plain: tuple[PlainNews, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Asking]:
    with Asking(tmp_path_factory.mktemp("asking"), plain[1]) as asking:
        yield asking


def test_plain_server_is_understood(asking_plain: Asking) -> None:
    assert asking_plain.ask("echo", "hello") == "hello"
    assert 0 < float(asking_plain.ask("remaining")) <= TIMEOUT
    assert at_once(50, lambda number: asking_plain.ask("echo", f"{number}")) == [
        f"{number}" for number in range(50)
    ]


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        ("NOT_FOUND", "NotFound", "not_found"),
        ("INVALID_ARGUMENT", "InvalidInput", "invalid_argument"),
        ("RESOURCE_EXHAUSTED", "LimitExceeded", "resource_exhausted"),
        ("UNAVAILABLE", "Unavailable", "peer_away"),
        ("DEADLINE_EXCEEDED", "Unavailable", "peer_timed_out"),
        ("INTERNAL", "Unavailable", "peer_failed"),
        ("UNIMPLEMENTED", "Unavailable", "peer_failed"),
    ],
)
def test_plain_status_is_a_kind_of_error(
    asking_plain: Asking, status: str, kind: str, code: str
) -> None:
    assert asking_plain.ask(status).split()[:2] == [kind, code]


def test_call_that_timed_out_is_cancelled(
    asking_plain: Asking, plain: tuple[PlainNews, str]
) -> None:
    assert "peer_timed_out" in asking_plain.ask("wait")
    assert until(lambda: plain[0].ended)


def test_server_that_is_no_server_is_unavailable(tmp_path: Path) -> None:
    with Asking(tmp_path, f"no-such-host-{os.getpid()}.invalid:1") as asking:
        assert asking.ask("echo").startswith("Unavailable peer_away ")
        assert asking.process.alive()
