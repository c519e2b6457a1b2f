"""The gRPC server against plain grpcio: what a stranger's client gets."""

import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc import StatusCode
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from chassis import errors
from chassis.grpc.kinds import GRPC_STATUS
from protos.news_pb2_grpc import NewsStub
from tests.integration.grpc_processes import Answering, ask
from tests.processes import until

SERVING = HealthCheckResponse.SERVING
NOT_SERVING = HealthCheckResponse.NOT_SERVING


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Answering]:
    with Answering(tmp_path_factory.mktemp("grpc")) as server:
        yield server
        assert server.process.stop() == 0


@pytest.fixture
def channel(server: Answering) -> Iterator[grpc.Channel]:
    with server.channel() as channel:
        yield channel


@pytest.fixture
def news(channel: grpc.Channel) -> NewsStub:
    return NewsStub(channel)


def refusal(call: Any) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return caught.value


def test_call_is_answered(news: NewsStub) -> None:
    assert news.GetNews(ask("echo", "ⓤ")).nextToken == "ⓤ"


def test_call_with_large_messages_is_answered(news: NewsStub) -> None:
    size = 4_000_000
    assert len(news.GetNews(ask("echo", "x" * size), timeout=10).nextToken) == size


def test_many_calls_on_one_connection_are_answered(news: NewsStub) -> None:
    calls = [news.GetNews.future(ask("echo", str(i))) for i in range(120)]
    assert [call.result().nextToken for call in calls] == [str(i) for i in range(120)]


def test_compressed_request_is_understood(news: NewsStub) -> None:
    for compression in (grpc.Compression.Gzip, grpc.Compression.Deflate):
        answer = news.GetNews(ask("echo", "x" * 10_000), compression=compression)
        assert len(answer.nextToken) == 10_000


def test_metadata_goes_both_ways(news: NewsStub) -> None:
    answer, call = news.GetNews.with_call(
        ask("metadata", "x-colour"), metadata=[("x-colour", "green"), ("data-bin", b"\xff\0")]
    )
    assert answer.nextToken == "green"
    assert ("seen", "yes") in call.trailing_metadata()


@pytest.mark.parametrize("kind", errors.KINDS)
def test_service_error_is_a_status_with_code_and_field(
    news: NewsStub, kind: type[errors.ServiceError]
) -> None:
    error = refusal(lambda: news.GetNews(ask("raise", kind.__name__)))
    assert error.code() is GRPC_STATUS[kind]
    assert error.details() == "A sentence — with ünicode\n% and more."
    trailers = dict(error.trailing_metadata())
    assert trailers["delinkcious-code"] == "the_code"
    assert trailers["delinkcious-field"] == "field"


@pytest.mark.parametrize("what", ["crash", "nothing", "unheard_of", "bad_metadata"])
def test_crash_tells_nothing(news: NewsStub, server: Answering, what: str) -> None:
    error = refusal(lambda: news.GetNews(ask(what)))
    assert error.code() is StatusCode.INTERNAL
    assert error.details() == "internal error"
    assert "secret" not in str(error.trailing_metadata())
    assert server.serves()


def test_unknown_method_is_unimplemented(channel: grpc.Channel) -> None:
    for path in ("/pb.News/Forget", "/Nobody/GetNews", "/"):
        error = refusal(lambda path=path: channel.unary_unary(path)(b""))
        assert error.code() is StatusCode.UNIMPLEMENTED


def test_undecodable_message_is_refused(channel: grpc.Channel, server: Answering) -> None:
    call = channel.unary_unary("/pb.News/GetNews")
    for message in (b"\xff" * 100, b"\x0a\x02\xff\xff"):
        error = refusal(lambda message=message: call(message))
        assert error.code() is StatusCode.INVALID_ARGUMENT
    assert server.serves()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-nameko-x", "{bad"),
        ("x-nameko-x", "[" * 5000),
        ("x-nameko-x", "NaN"),
        ("x-nameko-call_id_stack", '"text"'),
        ("x-nameko-call_id_stack", "[1]"),
    ],
)
def test_malformed_context_data_is_refused(
    news: NewsStub, server: Answering, name: str, value: str
) -> None:
    error = refusal(lambda: news.GetNews(ask("echo"), metadata=[(name, value)]))
    assert error.code() is StatusCode.INVALID_ARGUMENT
    assert server.serves()


def test_deadline_ends_the_call_and_its_worker(news: NewsStub) -> None:
    error = refusal(lambda: news.GetNews(ask("sleep", "60"), timeout=0.05))
    assert error.code() is StatusCode.DEADLINE_EXCEEDED


def test_deadline_is_ours_where_the_caller_has_none(news: NewsStub) -> None:
    error = refusal(lambda: news.GetNews(ask("sleep", "60")))
    assert error.code() is StatusCode.DEADLINE_EXCEEDED
    assert error.details() == "Deadline exceeded."


def test_message_over_the_limit_is_refused(news: NewsStub, server: Answering) -> None:
    large = ask("echo", "x" * 20_000_000)
    error = refusal(lambda: news.GetNews(large, timeout=10))
    assert error.code() is StatusCode.RESOURCE_EXHAUSTED
    bomb = refusal(lambda: news.GetNews(large, timeout=10, compression=grpc.Compression.Gzip))
    assert bomb.code() is StatusCode.RESOURCE_EXHAUSTED
    assert server.serves()


def test_storm_of_cancellations_harms_nobody(news: NewsStub, server: Answering) -> None:
    for _ in range(10):
        calls = [news.GetNews.future(ask("sleep", "0.05"), timeout=0.05) for _ in range(100)]
        for call in calls[::2]:
            call.cancel()
        for call in calls:
            until(call.done)
    assert server.serves()


def test_health_is_told_once(channel: grpc.Channel) -> None:
    health = HealthStub(channel)
    for service in ("", "pb.News", "grpc.health.v1.Health"):
        assert health.Check(HealthCheckRequest(service=service)).status == SERVING
    error = refusal(lambda: health.Check(HealthCheckRequest(service="nobody")))
    assert error.code() is StatusCode.NOT_FOUND


def test_health_is_told_at_each_change(channel: grpc.Channel, server: Answering) -> None:
    health = HealthStub(channel)
    watch = health.Watch(HealthCheckRequest())
    assert next(watch).status == SERVING
    server.neighbour_away.touch()
    try:
        assert next(watch).status == NOT_SERVING
        assert health.Check(HealthCheckRequest()).status == NOT_SERVING
    finally:
        server.neighbour_away.unlink()
    assert next(watch).status == SERVING
    watch.cancel()
    unknown = health.Watch(HealthCheckRequest(service="nobody"))
    assert next(unknown).status == HealthCheckResponse.SERVICE_UNKNOWN
    unknown.cancel()


@pytest.fixture
def small_server(tmp_path: Path) -> Iterator[Answering]:
    """Return a patient server with a single worker."""
    with Answering(tmp_path, max_workers=1, RPC_TIMEOUT_SECONDS=10) as server:
        yield server


def test_health_needs_no_worker(small_server: Answering) -> None:
    with small_server.channel() as channel:
        busy = NewsStub(channel).GetNews.future(ask("sleep", "3"), wait_for_ready=True)
        health = HealthStub(channel)
        assert health.Check(HealthCheckRequest(), wait_for_ready=True).status == SERVING
        assert not busy.done()


def test_no_work_is_begun_for_callers_who_have_left(small_server: Answering) -> None:
    with small_server.channel() as channel:
        news = NewsStub(channel)
        grpc.channel_ready_future(channel).result()
        busy = news.GetNews.future(ask("sleep", "3"))
        late = [news.GetNews.future(ask("sleep", "0"), timeout=0.3) for _ in range(20)]
        assert {call.exception().code() for call in late} == {StatusCode.DEADLINE_EXCEEDED}
        assert busy.result().nextToken == "3"
        assert news.GetNews(ask("count")).nextToken == "1"


def test_stop_finishes_what_has_begun(tmp_path: Path) -> None:
    with Answering(tmp_path) as server, server.channel() as channel:
        news = NewsStub(channel)
        watch = HealthStub(channel).Watch(HealthCheckRequest())
        assert next(watch).status == SERVING
        call = news.GetNews.future(ask("sleep", "1"))
        until(lambda: news.GetNews(ask("count")).nextToken == "1")
        server.process.signal(signal.SIGTERM)
        assert next(watch).status == NOT_SERVING
        assert call.result().nextToken == "1"
        assert server.process.wait() == 0


def test_stop_does_not_wait_for_idle_clients(tmp_path: Path) -> None:
    with Answering(tmp_path) as server, server.channel() as channel:
        NewsStub(channel).GetNews(ask("echo"))
        assert server.process.stop() == 0


def test_port_in_use_is_one_clear_line(tmp_path: Path, server: Answering) -> None:
    second = Answering(tmp_path, port=server.port)
    second.process.start()
    assert second.process.wait() != 0
    said = second.process.log.read_text()
    assert re.search(rf"Error: port {server.port} on .* is in use \(GRPC_BIND_PORT", said)
