"""eventlet's resolver is left out only where no name is to be looked up."""

from pathlib import Path

import pytest

from embedded import lookups
from embedded.settings import Settings

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for line in ROOT.joinpath("config.yaml").read_text().split("${")[1:]:
        monkeypatch.delenv(line.split(":")[0].split("}")[0], raising=False)


def test_all_on_this_machine_needs_no_resolver() -> None:
    assert lookups.environment(Settings(ROOT)) == lookups.WITHOUT_RESOLVER


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("NATS_URL", "nats://127.0.0.1:4222,nats://nats-2:4222"),
        ("LINK_DB_SERVICE_HOST", "database"),
        ("REDIS_URL", "redis://:secret@valkey:6379/0"),
        ("NEWS_MANAGER_SERVICE_HOST", "news"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318"),
        ("OIDC_ISSUER_URL", "https://sign-in.example.org"),
        ("GITHUB_CLIENT_ID", "ours"),
    ],
)
def test_any_server_elsewhere_needs_it(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    assert lookups.environment(Settings(ROOT)) == {}
