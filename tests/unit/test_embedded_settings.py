"""The runner learns everything from config.yaml."""

from pathlib import Path

import pytest

from embedded import claims, ports, servers
from embedded.claims import Claim
from embedded.errors import CannotStart
from embedded.settings import Settings

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Return the project's configuration, as it is with no variable set."""
    for line in ROOT.joinpath("config.yaml").read_text().split("${")[1:]:
        monkeypatch.delenv(line.split(":")[0].split("}")[0], raising=False)
    return Settings(ROOT)


def a_file(folder: Path, text: str) -> Settings:
    folder.joinpath("config.yaml").write_text(text)
    return Settings(folder)


def test_value_is_found_by_its_path(settings: Settings) -> None:
    assert settings.get("HTTP_PORTS.gateway") == 5000


def test_environment_changes_a_value(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(settings.variable("HTTP_PORTS.gateway"), "5999")
    assert Settings(ROOT).port("HTTP_PORTS.gateway") == 5999


def test_advice_names_the_variable_or_else_the_key(tmp_path: Path) -> None:
    settings = a_file(tmp_path, "A: ${SET_ME:1}\nB:\n  C: 2\n")
    assert settings.how_to_change("A") == "set SET_ME"
    assert settings.how_to_change("B.C") == "change B.C in config.yaml"


def test_missing_key_is_named(settings: Settings) -> None:
    with pytest.raises(CannotStart, match=r"config\.yaml lacks HTTP_PORTS\.nobody"):
        settings.get("HTTP_PORTS.nobody")


@pytest.mark.parametrize("value", ["0", "65536", "x", "1.5"])
def test_value_that_is_no_port_is_refused(tmp_path: Path, value: str) -> None:
    with pytest.raises(CannotStart, match=r"PORT must be a port, not .*: set P"):
        a_file(tmp_path, f"PORT: ${{P:{value}}}\n").port("PORT")


def test_every_server_is_started_by_default(settings: Settings) -> None:
    wanted = {server.name for server, _ in servers.wanted(settings)}
    assert wanted == {"NATS", "PostgreSQL", "Valkey"}
    databases = [database.name for database in servers.databases(settings)]
    assert databases == ["link_svc", "social_graph_svc", "user_svc"]


@pytest.mark.parametrize(
    ("variables", "left"),
    [
        ({"NATS_URL": "nats://a:4222", "AMQP_URI": "amqp://b"}, {"PostgreSQL", "Valkey"}),
        ({"AMQP_URI": "amqp://b"}, {"NATS", "PostgreSQL", "Valkey"}),
        ({"REDIS_URL": "redis://:secret@c:6379/0"}, {"NATS", "PostgreSQL"}),
        (
            {f"{name}_DB_SERVICE_HOST": "d" for name in ("LINK", "SOCIAL_GRAPH", "USER")},
            {"NATS", "Valkey"},
        ),
    ],
)
def test_server_with_another_address_is_not_started(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    left: set[str],
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert {server.name for server, _ in servers.wanted(Settings(ROOT))} == left


def test_one_variable_moves_a_server_and_its_clients(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(settings.variable("EMBEDDED.POSTGRES_PORT"), "15999")
    assert len(servers.databases(Settings(ROOT))) == 3


def test_every_port_of_a_service_is_claimed_once(settings: Settings) -> None:
    wanted = claims.of_services(settings)
    assert len({claim.port for claim in wanted}) == len(wanted) == 8


def test_port_wanted_twice_is_told(settings: Settings) -> None:
    port = ports.free_port()
    twice = [Claim(who, ports.LOOPBACK, port, "GRPC_BIND_PORT") for who in ("one", "other")]
    with pytest.raises(CannotStart, match=f"other and one both want port {port}: set NEWS"):
        claims.check(twice, settings)
