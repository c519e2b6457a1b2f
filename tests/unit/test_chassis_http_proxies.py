"""Whose address counts: the header is read from its end, and only as far as our proxies reach."""

import ipaddress

import pytest
from nameko import config as settings
from nameko.exceptions import ConfigurationError

from chassis.http.proxies import Proxies, from_config, network

OURS = [ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8")]


def client(peer: str, header: str, proxies: Proxies) -> str:
    key = "HTTP_" + proxies.header.upper().replace("-", "_")
    return proxies.client({"REMOTE_ADDR": peer, key: header})


@pytest.mark.parametrize(
    ("peer", "header", "expected"),
    [
        ("10.0.0.1", "192.0.2.1", "192.0.2.1"),
        ("10.0.0.1", "192.0.2.66, 192.0.2.1", "192.0.2.1"),  # the first one is made up
        ("10.0.0.1", "192.0.2.66, 192.0.2.1, 10.0.0.2", "192.0.2.1"),
        ("10.0.0.1", "10.9.9.9,10.0.0.2", "10.9.9.9"),  # everybody is ours
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "unknown", "10.0.0.1"),
        ("10.0.0.1", "192.0.2.66, unknown, 10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", "192.0.2.66, 192.0.2.1'--", "10.0.0.1"),
        ("10.0.0.1", "192.0.2.1:4711", "192.0.2.1"),
        ("10.0.0.1", "[2001:db8::1]:4711", "2001:db8::1"),
        ("10.0.0.1", "2001:db8::1", "2001:db8::1"),
        ("fd00::1", "::ffff:192.0.2.1", "192.0.2.1"),
        ("::ffff:10.0.0.1", "192.0.2.1", "192.0.2.1"),
        ("192.0.2.9", "192.0.2.1", "192.0.2.9"),  # no proxy of ours
    ],
)
def test_x_forwarded_for_is_read_from_its_end(peer: str, header: str, expected: str) -> None:
    assert client(peer, header, Proxies(OURS)) == expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("for=192.0.2.1", "192.0.2.1"),
        ("For=192.0.2.66, for=192.0.2.1;proto=https;by=10.0.0.1", "192.0.2.1"),
        ('by=10.0.0.1;for="[2001:db8::1]:4711"', "2001:db8::1"),
        ('for="192.0.2.1:80"; host=x', "192.0.2.1"),
        ("for=_hidden", "10.0.0.1"),
        ("xfor=192.0.2.1", "10.0.0.1"),
        ("192.0.2.1", "10.0.0.1"),
    ],
)
def test_forwarded_is_read_from_its_end(header: str, expected: str) -> None:
    assert client("10.0.0.1", header, Proxies(OURS, "Forwarded")) == expected


def test_nothing_is_read_without_trusted_proxies() -> None:
    assert client("10.0.0.1", "192.0.2.1", Proxies()) == "10.0.0.1"


def test_the_header_that_our_proxies_do_not_write_is_not_read() -> None:
    environ = {"REMOTE_ADDR": "10.0.0.1", "HTTP_FORWARDED": "for=192.0.2.1"}
    assert Proxies(OURS).client(environ) == "10.0.0.1"


def test_an_ipv6_client_is_known_by_its_network() -> None:
    assert network("2001:db8:0:1::5") == network("2001:db8:0:1:ffff::") == "2001:db8:0:1::/64"
    assert network("192.0.2.1") == network("::ffff:192.0.2.1") == "192.0.2.1"
    assert network("nonsense") == "nonsense"


def test_networks_are_read_from_the_configuration() -> None:
    given = {"NETWORKS": "10.0.0.0/8, 192.0.2.1", "HEADER": "Forwarded"}
    with settings.patch(given):
        proxies = from_config("NETWORKS", "HEADER")
    assert client("192.0.2.1", "for=198.51.100.7", proxies) == "198.51.100.7"
    with (
        settings.patch(given | {"NETWORKS": "10.0.0.1/8"}),
        pytest.raises(ConfigurationError, match="NETWORKS"),
    ):
        from_config("NETWORKS", "HEADER")
