"""How the gRPC client is declared and configured."""

from types import SimpleNamespace
from typing import Any

import pytest
from nameko import config
from nameko.containers import ServiceContainer
from nameko.exceptions import ConfigurationError
from nameko.extensions import DependencyProvider

from chassis import grpc
from chassis.errors import Unavailable
from protos.news_pb2 import GetNewsRequest
from protos.news_pb2_grpc import NewsStub


def client(target: str = "http://127.0.0.1:1", **context_data: Any) -> Any:
    config.update(
        {
            "TARGET": target,
            "RPC_TIMEOUT_SECONDS": 1,
            "RPC_CALLS_IN_FLIGHT": 1,
            "GRPC_MAX_MESSAGE_BYTES": 1000,
        }
    )
    provider = grpc.GrpcClient(NewsStub, target_key="TARGET", target="news_svc")
    provider.container = SimpleNamespace(service_name="toy")
    provider.setup()
    return provider.get_dependency(SimpleNamespace(context_data=context_data))


@pytest.mark.parametrize(
    "target", ["news", "ftp://news:1", "http://news:port", "http://news", ":1"]
)
def test_malformed_target_stops_the_start(target: str) -> None:
    with pytest.raises(ConfigurationError, match="TARGET must be http://host:port"):
        client(target)


@pytest.mark.parametrize("target", ["http://news:6060", "news:6060", "http://[::1]:6060/"])
def test_target_is_a_url_or_host_and_port(target: str) -> None:
    assert client(target).GetNews


def test_method_that_is_none_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="news_svc has no unary method GetOlds"):
        client().GetOlds  # noqa: B018


def test_call_after_the_deadline_is_not_made() -> None:
    with pytest.raises(Unavailable) as caught:
        client("http://no.invalid:1", deadline=1.0).GetNews(GetNewsRequest())
    assert caught.value.code == "peer_timed_out"


def test_another_provider_may_wrap_the_client() -> None:
    class Wrapper(DependencyProvider):
        client = grpc.GrpcClient(NewsStub, target_key="TARGET", target="news_svc")

    class Service:
        name = "service"
        news = Wrapper()

    provider = next(iter(ServiceContainer(Service).dependencies))
    assert isinstance(provider.client, grpc.GrpcClient)
    assert provider.client.is_bound()
