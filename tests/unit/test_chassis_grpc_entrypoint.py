"""What the gRPC entrypoint takes from a request, and which methods it serves."""

from typing import Any

import pytest
from grpc import StatusCode
from grpc_health.v1.health_pb2_grpc import HealthStub
from nameko.containers import ServiceContainer
from nameko.exceptions import ConfigurationError
from nameko_grpc.errors import GrpcError

from chassis import grpc
from chassis.errors import ServiceError
from chassis.grpc.entrypoint import context_data
from protos.news_pb2_grpc import NewsStub


class Service:
    name = "service"

    @grpc.implementing(NewsStub)
    def GetNews(self, request: Any, context: grpc.Context) -> None:
        """Answer nothing."""


class WrongName:
    name = "wrong_name"

    @grpc.implementing(NewsStub)
    def GetOlds(self, request: Any, context: grpc.Context) -> None:
        """Answer what nobody can ask."""


class Streaming:
    name = "streaming"

    @grpc.implementing(HealthStub)
    def Watch(self, request: Any, context: grpc.Context) -> None:
        """Answer again and again."""


def entrypoint(service: type) -> Any:
    return next(iter(ServiceContainer(service).entrypoints))


def test_method_is_offered_at_its_path() -> None:
    bound = entrypoint(Service)
    bound.setup()
    assert list(bound.grpc_server.methods) == ["/pb.News/GetNews"]
    assert bound.expected_exceptions is ServiceError


@pytest.mark.parametrize(
    ("service", "said"), [(WrongName, "NewsStub has no method GetOlds"), (Streaming, "streams")]
)
def test_method_that_cannot_be_served_stops_the_start(service: type, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        ServiceContainer(service)


def test_context_data_is_what_nameko_sent() -> None:
    metadata = [
        ("x-nameko-call_id_stack", '["a.b.1"]'),
        ("x-nameko-locale", '"de"'),
        ("colour", "green"),
        ("data-bin", b"\xff"),
    ]
    assert context_data(metadata) == {"call_id_stack": ["a.b.1"], "locale": "de"}


@pytest.mark.parametrize("value", ["{bad", "", "NaN", "[" * 100_000, "\ud800"])
def test_context_data_that_is_no_json_is_refused(value: str) -> None:
    with pytest.raises(GrpcError) as caught:
        context_data([("x-nameko-x", value)])
    assert caught.value.code is StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("value", ['"text"', "[1]", "{}", "null"])
def test_call_stack_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(GrpcError) as caught:
        context_data([("x-nameko-call_id_stack", value)])
    assert caught.value.code is StatusCode.INVALID_ARGUMENT
