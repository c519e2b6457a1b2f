"""The services of grpc_services.py as processes, and plain grpcio to talk to them."""

import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import grpc
from nameko import config

from chassis.grpc import GrpcClient
from embedded import ports
from protos.news_pb2 import GetNewsRequest
from protos.news_pb2_grpc import NewsStub
from tests.processes import ServiceProcess, until

SERVICES = "tests.integration.grpc_services"
TIMEOUT = 1.5
START_SECONDS = 30


def settings(**more: Any) -> dict[str, Any]:
    """Return the least configuration of either service."""
    return {
        "BIND_HOST": "127.0.0.1",
        "RPC_TIMEOUT_SECONDS": TIMEOUT,
        "RPC_CALLS_IN_FLIGHT": 64,
        "STOP_GRACE_SECONDS": 5,
        "MAX_CONNECTIONS": 512,
        "GRPC_MAX_MESSAGE_BYTES": 4 * 1024 * 1024,
        "GRPC_MAX_CONNECTION_AGE_SECONDS": 60,
        "SERVICE_CONTAINER_CLS": "chassis.container.Container",
        "max_workers": 64,
        **more,
    }


class Running:
    """A service's process, which ends with the ``with`` block."""

    process: ServiceProcess

    def start(self) -> Self:
        """Start, and wait until it serves, also on a machine that has much else to do."""
        self.process.start()
        try:
            self.wait_until_it_serves()
        except BaseException:
            self.process.stop()
            raise
        return self

    def wait_until_it_serves(self) -> None:
        """Wait; raise after START_SECONDS."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.process.stop()


class Answering(Running):
    """The service that answers."""

    def __init__(self, folder: Path, port: int = 0, **more: Any) -> None:
        self.port = port or ports.free_port()
        self.target = f"127.0.0.1:{self.port}"
        self.neighbour_away = folder / "neighbour-away"
        self.process = ServiceProcess(
            f"{SERVICES}:Answering",
            config=settings(GRPC_BIND_PORT=self.port, **more),
            folder=folder,
            env={"NEIGHBOUR_AWAY": str(self.neighbour_away)},
        )

    def wait_until_it_serves(self) -> None:
        """Wait for the port."""
        with self.channel() as channel:
            grpc.channel_ready_future(channel).result(timeout=START_SECONDS)

    @contextmanager
    def channel(self) -> Iterator[grpc.Channel]:
        """Return a connection of its own."""
        options = [("grpc.use_local_subchannel_pool", 1)]
        with grpc.insecure_channel(self.target, options) as channel:
            yield channel

    def serves(self) -> bool:
        """Tell whether the process lives and answers somebody new."""
        with self.channel() as channel:
            answer = NewsStub(channel).GetNews(ask("echo", "still here"), timeout=5)
        return bool(answer.nextToken == "still here" and self.process.alive())


class Asking(Running):
    """The service that asks, over HTTP."""

    def __init__(self, folder: Path, target: str, **more: Any) -> None:
        self.address = f"127.0.0.1:{ports.free_port()}"
        self.process = ServiceProcess(
            f"{SERVICES}:Asking",
            config=settings(WEB_SERVER_ADDRESS=self.address, NEWS_GRPC_TARGET=target, **more),
            folder=folder,
        )

    def wait_until_it_serves(self) -> None:
        """Wait for the port; who is asked may be away."""
        until(lambda: self.ask("echo", "x"), START_SECONDS)

    def ask(self, username: str, token: str = "-") -> str:
        """Return the answer, or ``kind code field seconds message`` of the error."""
        try:
            with urllib.request.urlopen(f"http://{self.address}/{username}/{token}") as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            return error.read().decode()


def client(target: str, **more: Any) -> GrpcClient:
    """Return our client in this process, for who wants to look at it."""
    config.update(settings(NEWS_GRPC_TARGET=target, **more))
    made = GrpcClient(NewsStub, target_key="NEWS_GRPC_TARGET", target="answering")
    made.container = SimpleNamespace(service_name="test")
    made.setup()
    return made


def ask(username: str, token: str = "") -> GetNewsRequest:
    """Return a request to the answering service."""
    return GetNewsRequest(username=username, startToken=token)
