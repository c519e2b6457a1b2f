"""Connections that grow old are made anew, and no call notices."""

from pathlib import Path
from typing import Any

from eventlet import GreenPool
from grpc_health.v1 import health_pb2, health_pb2_grpc

from chassis.grpc import GrpcClient
from protos.news_pb2_grpc import NewsStub
from tests.integration.grpc_processes import Answering, ask, client

# So short that connections end in the midst of calls, and calls last longer than a connection; and
# longer than a busy machine takes to make one.
AGE_SECONDS = 0.1
CALLS = 400


def call(ours: GrpcClient, number: int) -> tuple[str, Any]:
    what = ("sleep", "0.15") if number % 10 == 0 else ("echo", f"number-{number}")
    answer = ours.call("GetNews", {}, ask(*what)).nextToken
    return answer == what[1], ours.channel._connection


def test_no_call_fails_while_connections_grow_old(tmp_path: Path) -> None:
    with Answering(tmp_path, GRPC_MAX_CONNECTION_AGE_SECONDS=AGE_SECONDS) as server:
        ours = client(f"http://{server.target}")
        answers = list(GreenPool(8).imap(lambda number: call(ours, number), range(CALLS)))
        assert all(right for right, _ in answers)
        assert len({id(connection) for _, connection in answers}) > 3
        with server.channel() as channel:
            stub = NewsStub(channel)
            for number in range(CALLS):  # and so it is with everybody's client
                assert stub.GetNews(ask("echo", str(number)), timeout=5).nextToken == str(number)


def test_watch_goes_on_beyond_the_age(tmp_path: Path) -> None:
    with (
        Answering(tmp_path, GRPC_MAX_CONNECTION_AGE_SECONDS=AGE_SECONDS) as server,
        server.channel() as channel,
    ):
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
        server.neighbour_away.touch()
        assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
        watch.cancel()
