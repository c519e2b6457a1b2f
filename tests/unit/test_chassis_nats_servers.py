"""Where NATS is and who we are there, read from an address; what to say when it lets nobody in."""

import nats.errors
import pytest
from nameko import config
from nameko.exceptions import ConfigurationError

from chassis.nats.servers import Servers


@pytest.fixture(autouse=True)
def no_files() -> None:
    config.update({f"NATS_TLS_{name}_FILE": "" for name in ("CA", "CERT", "KEY")})


def test_the_user_is_not_left_in_the_addresses() -> None:
    servers = Servers.parse("nats://ann:p%40ss@one:4222, nats://ann:p%40ss@two:4223")
    assert servers.addresses == ["nats://one:4222", "nats://two:4223"]
    assert servers.credentials == {"user": "ann", "password": "p@ss"}
    assert (servers.user, servers.tls) == ("ann", None)
    assert "p@ss" not in repr(servers)


def test_a_token_is_no_user() -> None:
    servers = Servers.parse("nats://secret@one:4222")
    assert servers.credentials == {"token": "secret"}
    assert servers.user == ""


def test_tls_is_demanded_by_an_address() -> None:
    assert Servers.parse("tls://one:4222").tls is not None


@pytest.mark.parametrize("url", ["", " , "])
def test_no_address_stops_the_start(url: str) -> None:
    with pytest.raises(ConfigurationError, match="NATS_URL"):
        Servers.parse(url)


@pytest.mark.parametrize("user", ["link_svc", ""])
def test_complaint_names_who_was_refused(user: str) -> None:
    servers = Servers.parse(f"nats://{user}:secret@one" if user else "nats://one")
    said = servers.complaint(nats.errors.Error("nats: 'Authorization Violation'"))
    assert said.startswith(f"NATS refused {'the user link_svc' if user else 'a client'}")
    assert "secret" not in said
    assert "NATS_URL" in said
