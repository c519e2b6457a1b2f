"""gRPC over TLS: who is let in, who is not, and that the rest is as without."""

import signal
import socket
import ssl
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from eventlet import GreenPool
from grpc_health.v1 import health_pb2, health_pb2_grpc

from chassis.errors import Unavailable
from chassis.grpc import GrpcClient
from embedded.server import HOST
from protos.news_pb2_grpc import NewsStub
from tests.certificates import Authority, Certificate
from tests.integration import grpc_processes
from tests.integration.grpc_processes import Answering, Asking, ask
from tests.processes import until

PROMISE = 5


class Secure(Answering):
    """The service that answers, over TLS."""

    def __init__(self, folder: Path, authority: Authority, shown: Certificate, **more: Any) -> None:
        files = {"GRPC_TLS_CERT_FILE": shown.cert, "GRPC_TLS_KEY_FILE": shown.key}
        super().__init__(folder, **files, **more)
        self.authority = authority
        self.shown = shown

    @contextmanager
    def channel(self) -> Iterator[grpc.Channel]:
        read = Path.read_bytes
        credentials = grpc.ssl_channel_credentials(
            *map(read, map(Path, (self.authority.ca, self.shown.key, self.shown.cert)))
        )
        options = [("grpc.use_local_subchannel_pool", 1)]
        with grpc.secure_channel(self.target, credentials, options) as channel:
            yield channel


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def authority(folder: Path) -> Authority:
    return Authority(folder, "ours")


@pytest.fixture(scope="module")
def stranger(folder: Path) -> Authority:
    return Authority(folder, "strangers")


@pytest.fixture(scope="module")
def running(folder: Path, authority: Authority) -> Iterator[Secure]:
    with Secure(folder, authority, authority.issue("news", HOST, "localhost")) as server:
        yield server


@pytest.fixture
def server(running: Secure) -> Secure:
    """Return the server, with a certificate that suits it."""
    running.authority.issue("news", HOST, "localhost")
    return running


@pytest.fixture(scope="module")
def choosy(folder: Path, authority: Authority) -> Iterator[Secure]:
    """Return a server that lets in only who shows a certificate of the authority."""
    shown = authority.issue("choosy", HOST)
    with Secure(folder, authority, shown, GRPC_TLS_CLIENT_CA_FILE=authority.ca) as server:
        yield server


def client(target: str, ca: str = "", shown: Certificate | None = None) -> GrpcClient:
    """Return our client, in this process."""
    own = shown or Certificate("", "")
    files = {"GRPC_TLS_CA_FILE": ca, "GRPC_TLS_CERT_FILE": own.cert, "GRPC_TLS_KEY_FILE": own.key}
    return grpc_processes.client(target, **files)


def echo(client: GrpcClient, text: str = "hello") -> str:
    answer: str = client.call("GetNews", {}, ask("echo", text)).nextToken
    return answer


def test_plain_grpcio_is_served_and_so_are_health_checks(server: Secure) -> None:
    with server.channel() as channel:
        assert NewsStub(channel).GetNews(ask("echo", "hello"), timeout=PROMISE).nextToken == "hello"
        health = health_pb2_grpc.HealthStub(channel)
        checked = health.Check(health_pb2.HealthCheckRequest(), timeout=PROMISE)
        assert checked.status == health_pb2.HealthCheckResponse.SERVING


def test_our_client_is_served_many_at_a_time_and_large_answers(server: Secure) -> None:
    ours = client(f"https://{server.target}", server.authority.ca)
    texts = [f"number-{n}" for n in range(60)]
    assert list(GreenPool().imap(lambda text: echo(ours, text), texts)) == texts
    sizes = [1, 100_000, 4_000_000]
    pool = GreenPool().imap(lambda n: ours.call("GetNews", {}, ask("big", str(n))), sizes)
    assert [len(answer.nextToken) for answer in pool] == sizes


def test_our_client_in_a_service_finds_a_server_again_that_was_killed(
    server: Secure, tmp_path: Path
) -> None:
    target = f"https://{server.target}"
    with Asking(tmp_path, target, GRPC_TLS_CA_FILE=server.authority.ca) as asking:
        assert asking.ask("echo", "hello") == "hello"
        server.process.signal(signal.SIGKILL)
        server.process.wait()
        assert asking.ask("echo", "x").startswith("Unavailable peer_away ")
        server.start()
        assert until(lambda: asking.ask("echo", "back") == "back", PROMISE)


def assert_refused(caplog: pytest.LogCaptureFixture, ours: GrpcClient, why: str) -> None:
    """Check that no call is made, and that the log says why, once."""
    for _ in range(2):
        with pytest.raises(Unavailable):
            echo(ours)
    lines = [line for line in caplog.messages if line.startswith("no TLS with")]
    assert len(lines) == 1
    assert why in lines[0]
    assert "GRPC_TLS_CA_FILE" in lines[0]


def test_server_of_a_stranger_is_refused(
    server: Secure, stranger: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    ours = client(f"https://{server.target}", stranger.ca)
    assert_refused(caplog, ours, "unable to get local issuer certificate")


def test_server_with_the_name_of_another_is_refused(
    server: Secure, caplog: pytest.LogCaptureFixture
) -> None:
    server.authority.issue("news", "somebody-else")
    assert_refused(caplog, client(f"https://{server.target}", server.authority.ca), "mismatch")


def test_plain_text_is_refused(server: Secure) -> None:
    with grpc.insecure_channel(server.target) as channel, pytest.raises(grpc.RpcError) as refused:
        NewsStub(channel).GetNews(ask("echo"), timeout=PROMISE)
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    with pytest.raises(Unavailable):
        echo(client(f"http://{server.target}"))


def test_who_shows_no_certificate_is_refused_where_one_is_wanted(
    choosy: Secure, stranger: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    target, ca = f"https://{choosy.target}", choosy.authority.ca
    assert echo(client(target, ca, choosy.authority.issue("gateway", "gateway"))) == "hello"
    assert_refused(caplog, client(target, ca), "CERTIFICATE_REQUIRED")
    with pytest.raises(Unavailable):
        echo(client(target, ca, stranger.issue("intruder", "gateway")))


def test_renewed_certificate_is_shown_without_a_restart(server: Secure) -> None:
    def shown() -> str:
        return ssl.get_server_certificate((HOST, server.port), timeout=PROMISE)

    before = shown()
    server.authority.issue("news", HOST)
    assert shown() != before
    Path(server.shown.cert).write_text("half of a")
    assert shown() != before  # what was there before still serves
    assert server.process.alive()


def test_those_who_never_begin_delay_nobody(server: Secure) -> None:
    silent = [socket.create_connection((HOST, server.port)) for _ in range(20)]
    with closing(socket.create_connection((HOST, server.port))) as rude:
        rude.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert echo(client(f"https://{server.target}", server.authority.ca)) == "hello"
    for each in silent:
        each.close()


def test_other_protocols_over_tls_are_refused(server: Secure) -> None:
    context = ssl.create_default_context(cafile=server.authority.ca)
    context.set_alpn_protocols(["http/1.1"])
    raw = socket.create_connection((HOST, server.port), timeout=PROMISE)
    with context.wrap_socket(raw, server_hostname=HOST) as sock:
        assert sock.recv(100) == b""
