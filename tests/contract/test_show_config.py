"""``nameko show-config`` shows no secret, and what it does not show is there when it is read."""

import os
import re
import subprocess
import sys

import pytest
from nameko import config as settings
from nameko.cli.utils.config import load_config, setup_config

from chassis import config
from tests.processes import ROOT

TEXT = (ROOT / "config.yaml").read_text()
# Passwords may stand in these; the names of the keys say so, or that they hold addresses.
SECRET = re.compile(
    r"^ *\"?\w*(?:SECRET|PASSWORD|TOKEN|_URI|:Base|NATS_URL|REDIS_URL)\"?: (.*)$", re.MULTILINE
)
NAMES = sorted(set(re.findall(r"\$\{(\w+(?:URI|URL|SECRET))\b", "\n".join(SECRET.findall(TEXT)))))


def planted(name: str) -> str:
    return f"scheme://user:planted-{name}@host/name"


def test_secrets_are_found() -> None:
    assert {"AMQP_URI", "NATS_URL", "REDIS_URL", "SESSION_SECRET"} <= set(NAMES)
    assert {"LINK_DB_URI", "LINK_DB_OWNER_URI", "GITHUB_CLIENT_SECRET"} <= set(NAMES)


def test_show_config_shows_everything_but_secrets() -> None:
    environment = os.environ | {name: planted(name) for name in NAMES} | {"MAX_WORKERS": "63"}
    shown = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "nameko", "show-config", "--config", "config.yaml"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "planted" not in shown.stdout + shown.stderr
    assert load_config(shown.stdout)["max_workers"] == 63


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("AMQP_URI", "AMQP_URI"),
        ("DB_URIS.link_svc:Base", "LINK_DB_URI"),
        ("OAUTH_CLIENT_SECRET", "GITHUB_CLIENT_SECRET"),
    ],
)
def test_secret_is_there_when_it_is_read(
    key: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, planted(name))
    with settings.patch({}, clear=True):
        setup_config(TEXT)
        assert config.text(key) == planted(name)


def test_nameko_itself_reads_the_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMQP_URI", planted("AMQP_URI"))
    with settings.patch({}, clear=True):
        setup_config(TEXT)
        assert settings["AMQP_URI"] == settings.get("AMQP_URI") == planted("AMQP_URI")
        monkeypatch.delenv("AMQP_URI")
        assert settings["AMQP_URI"] == "nats://127.0.0.1:4222"
