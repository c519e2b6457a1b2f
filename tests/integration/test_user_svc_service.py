"""The user service as a process, on a database that comes late and goes away."""

import time

import pytest
import requests
from nameko import config
from nameko.cli.utils.config import load_config
from nameko.standalone.rpc import ClusterRpcClient

from chassis.errors import InvalidInput, Unauthenticated, Unavailable
from embedded import ports
from tests.integration import service_database
from tests.processes import ROOT, ServiceProcess, until

BOB = {"provider": "github", "subject": "1", "login": "bob", "name": "Bob", "email": ""}


@pytest.fixture
def uri(postgres):
    with service_database.unmigrated(postgres, "user_svc", "user_process"):
        yield postgres.uri("user_process", "user_svc")


@pytest.fixture
def ready(uri, nats_url, tmp_path):
    """Start the service, with an empty database; return a function that tells how it fares."""
    port = ports.free_port()
    settings = load_config((ROOT / "config.yaml").read_text()) | {
        "AMQP_URI": nats_url,
        "NATS_URL": nats_url,
        "HTTP_PORTS": {"user_svc": port},
        "DB_URIS": {"user_svc:Base": uri},
    }
    config.update(settings)
    process = ServiceProcess("user_svc.service", config=settings, folder=tmp_path).start()
    try:
        yield lambda: requests.get(f"http://127.0.0.1:{port}/health/ready", timeout=5).json()
    finally:
        status = process.stop()
    assert status == 0
    assert "Traceback" not in process.log.read_text()


@pytest.fixture
def users(ready):
    with ClusterRpcClient() as client:
        yield client.user_svc


def test_it_waits_for_its_tables_and_outlives_its_database(users, ready, uri, postgres):
    until(lambda: ready().get("waiting_for") == ["database"], 20)
    with pytest.raises(Unavailable):
        users.sign_in(BOB)

    owner = postgres.uri("user_process", "user_svc_owner")
    service_database.alembic("user_svc", "upgrade", "head", uri=owner)
    until(lambda: ready()["status"] == "ready")
    # Nothing here had the client answer NATS meanwhile: it may have to come back first.
    token = until(lambda: users.sign_in(BOB))["access_token"]
    assert users.verify_token(token)["username"] == "bob"

    postgres.stop()
    try:
        began = time.monotonic()
        with pytest.raises(Unavailable):
            users.verify_token(token)
        assert time.monotonic() - began < 3
    finally:
        postgres.start()
    assert users.verify_token(token)["username"] == "bob"

    postgres.pause()
    try:
        began = time.monotonic()
        with pytest.raises(Unavailable):
            users.verify_token(token)
        assert time.monotonic() - began < 3
        until(lambda: ready().get("waiting_for") == ["database"])
    finally:
        postgres.resume()
    until(lambda: ready()["status"] == "ready")

    assert users.revoke_token(token) is None
    with pytest.raises(Unauthenticated, match="Access Denied!"):
        users.verify_token(token)
    with pytest.raises(InvalidInput) as refusal:
        users.sign_in({})
    assert refusal.value.field == "provider"
