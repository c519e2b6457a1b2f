"""A wrong value in the configuration stops the start, and the error names the key."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from nameko.cli.utils.config import load_config

from embedded import ports
from tests.contract.configuration import keys
from tests.processes import ROOT, ServiceProcess

TEXT = (ROOT / "config.yaml").read_text()
CLASSES = {
    "gateway": "GatewayService",
    "link_svc": "LinkService",
    "social_graph_svc": "SocialGraphService",
    "user_svc": "UserService",
    "news_svc": "NewsService",
}
# All that is no number is tried in tests/unit/test_chassis_config.py.
NO_NUMBERS = ("many",)
NO_WHOLE_NUMBERS = (1.5,)
NO_PORTS = (65536,)
NO_TRUTHS = ("maybe",)
NO_FILE = ("/no/such/file",)
# Which service reads a key, and values that it must refuse.
WRONG: dict[str, tuple[str, tuple[Any, ...]]] = {
    "ENVIRONMENT": ("gateway", ("prod",)),
    "BIND_HOST": ("user_svc", ("no.such.host.invalid", "192.0.2.1")),
    "AMQP_URI": ("user_svc", ("", "127.0.0.1", "http://127.0.0.1", "nats://127.0.0.1:port")),
    "NATS_URL": ("news_svc", ("", "127.0.0.1:4222", "amqp://127.0.0.1", "nats://", "nats://a:1,b")),
    "NATS_TLS_CA_FILE": ("user_svc", NO_FILE),
    "NATS_TLS_CERT_FILE": ("user_svc", NO_FILE),
    "NATS_TLS_KEY_FILE": ("user_svc", NO_FILE),
    "RPC_TIMEOUT_SECONDS": ("gateway", NO_NUMBERS),
    "RPC_CALLS_IN_FLIGHT": ("gateway", NO_WHOLE_NUMBERS),
    "STREAM_REPLICAS": ("link_svc", NO_WHOLE_NUMBERS),
    "max_workers": ("user_svc", NO_WHOLE_NUMBERS),
    "PREFETCH_COUNT": ("user_svc", NO_WHOLE_NUMBERS),
    "STOP_GRACE_SECONDS": ("user_svc", NO_NUMBERS),
    "FAILPOINTS_DIR": ("link_svc", NO_FILE),
    **{f"HTTP_PORTS.{service}": (service, NO_PORTS) for service in CLASSES},
    "METRICS_PORTS.gateway": ("gateway", NO_PORTS),
    "MAX_CONNECTIONS": ("user_svc", NO_WHOLE_NUMBERS),
    "MAX_BODY_BYTES": ("gateway", NO_WHOLE_NUMBERS),
    "MAX_IMPORT_BYTES": ("gateway", NO_WHOLE_NUMBERS),
    "IMPORT_UPLOAD_SECONDS": ("gateway", NO_NUMBERS),
    "EXPORT_SECONDS": ("gateway", NO_NUMBERS),
    "EXPORTS_AT_A_TIME": ("gateway", NO_WHOLE_NUMBERS),
    "GRPC_MAX_MESSAGE_BYTES": ("news_svc", NO_WHOLE_NUMBERS),
    "GRPC_TLS_CA_FILE": ("gateway", NO_FILE),
    "GRPC_TLS_CERT_FILE": ("news_svc", NO_FILE),
    "GRPC_TLS_KEY_FILE": ("news_svc", NO_FILE),
    "GRPC_TLS_CLIENT_CA_FILE": ("news_svc", NO_FILE),
    "GRPC_MAX_CONNECTION_AGE_SECONDS": ("news_svc", NO_NUMBERS),
    "MAX_HEADER_LINE_BYTES": ("gateway", NO_WHOLE_NUMBERS),
    "MAX_HEADER_BYTES": ("gateway", NO_WHOLE_NUMBERS),
    "REQUEST_READ_SECONDS": ("gateway", NO_NUMBERS),
    "EXCHANGE_SECONDS": ("gateway", NO_NUMBERS),
    "KEEP_ALIVE_SECONDS": ("gateway", NO_NUMBERS),
    "OTLP_ENDPOINT": ("gateway", ("collector:4318", "grpc://collector")),
    "ACCESS_LOG": ("gateway", NO_TRUTHS),
    "SHARE_HTTP_PORT": ("gateway", NO_TRUTHS),
    "LOGGING.root.level": ("user_svc", ("LOUD", "info", 5)),
    **{
        f"DB_URIS.{service}:Base": (service, ("", "no address", "mysql://host/db"))
        for service in ("link_svc", "social_graph_svc", "user_svc")
    },
    "DB_POOL_SIZE": ("link_svc", NO_WHOLE_NUMBERS),
    "DB_STATEMENT_TIMEOUT_SECONDS": ("link_svc", NO_NUMBERS),
    "DB_SET_TIMEOUTS": ("link_svc", NO_TRUTHS),
    "PUBLIC_URL": ("gateway", ("", "example.org", "ftp://example.org")),
    "OAUTH_CLIENT_SECRET": ("gateway", ("",)),
    "OAUTH_BASE_URL": ("gateway", ("", "github.com", "http://github.com")),
    "OAUTH_API_URL": ("gateway", ("", "github.com", "http://github.com")),
    "OIDC_ISSUER_URL": ("gateway", ("", "id.example.org", "http://id.example.org")),
    "OIDC_CLIENT_SECRET": ("gateway", ("",)),
    "OIDC_SCOPE": ("gateway", ("", "profile email")),
    "ALLOWED_LOGINS": ("gateway", (",", " , ")),
    "ALLOWED_ORGANIZATIONS": ("gateway", (",", ",".join(f"team-{n}" for n in range(21)))),
    "ALLOWED_EMAIL_DOMAINS": ("gateway", (" ,",)),
    "OAUTH_TIMEOUT_SECONDS": ("gateway", NO_NUMBERS),
    "SIGN_IN_TIMEOUT_SECONDS": ("gateway", NO_NUMBERS),
    "SESSION_SECRET": ("gateway", ("",)),
    "DEV_IDENTITY_PROVIDER_PORT": ("gateway", NO_PORTS),
    "TOKEN_CACHE_SECONDS": ("gateway", NO_NUMBERS),
    "ANONYMOUS_READERS": ("gateway", NO_TRUTHS),
    "TRUSTED_PROXIES": ("gateway", ("proxy", "10.0.0.1/8", "10.0.0.0/33")),
    "TRUSTED_PROXIES_HEADER": ("gateway", ("", "X-Real-IP")),
    "CORS_ORIGINS": ("gateway", ("example.org", "https://example.org/path", "null")),
    **{
        f"RATE_LIMIT_{name}": ("gateway", ("", "100", "0/minute", "-1/minute", "1/fortnight"))
        for name in ("TOKEN", "ADDRESS", "SIGN_IN", "FAILURES")
    },
    "RATE_LIMIT_REDIS_URL": ("gateway", ("", "127.0.0.1:6379", "http://127.0.0.1")),
    "NEWS_GRPC_TARGET": ("gateway", ("", "news", "ftp://news:1", "http://news")),
    "MAX_LINKS_PER_USER": ("link_svc", NO_WHOLE_NUMBERS),
    "IDEMPOTENCY_KEY_HOURS": ("link_svc", NO_WHOLE_NUMBERS),
    "MAX_PAGE_SIZE": ("gateway", (*NO_WHOLE_NUMBERS, 9, 101)),
    "MAX_REGEX_LENGTH": ("gateway", (*NO_WHOLE_NUMBERS, 0, 257)),
    "MAX_URL_LENGTH": ("gateway", (*NO_WHOLE_NUMBERS, 0, 2049)),
    "MAX_BULK_CHANGES": ("gateway", (*NO_WHOLE_NUMBERS, 0, 101)),
    "SIGN_UP_OPEN": ("user_svc", NO_TRUTHS),
    "ACCESS_TOKEN_DAYS": ("user_svc", NO_WHOLE_NUMBERS),
    "PERSONAL_TOKEN_DAYS": ("user_svc", NO_WHOLE_NUMBERS),
    "MAX_TOKENS_PER_USER": ("user_svc", NO_WHOLE_NUMBERS),
    "REMOVAL_GRACE_SECONDS": ("user_svc", NO_NUMBERS),
    "GRPC_BIND_PORT": ("news_svc", NO_PORTS),
    "REDIS_URL": ("news_svc", ("", "127.0.0.1:6379", "http://127.0.0.1")),
    "FEED_LENGTH": ("news_svc", NO_WHOLE_NUMBERS),
    "FEED_COPIES": ("news_svc", NO_WHOLE_NUMBERS),
    "FEED_IDLE_DAYS": ("news_svc", NO_WHOLE_NUMBERS),
}
# Read by the runner, the migrations or nameko, each with tests of its own.
ELSEWHERE = {
    "DATA_DIR",
    "SERVICE_CONTAINER_CLS",
    *(f"EMBEDDED.{server}_PORT" for server in ("POSTGRES", "NATS", "VALKEY")),
    *(f"DB_OWNER_URIS.{name}:Base" for name in ("link_svc", "social_graph_svc", "user_svc")),
}
# A text that may be anything, also empty.
ANYTHING = {"OAUTH_CLIENT_ID", "OIDC_CLIENT_ID", "OIDC_LABEL"}
# Not asked for as long as the gateway signs people in by itself.
WITH_A_PROVIDER = {
    "ENVIRONMENT": "production",
    "OAUTH_CLIENT_ID": "id",
    "OAUTH_CLIENT_SECRET": "secret",
    "OIDC_CLIENT_ID": "id",
    "OIDC_CLIENT_SECRET": "secret",
    "OIDC_ISSUER_URL": "https://id.example.org",
    "SESSION_SECRET": "secret",
}


def settings(key: str, value: Any) -> dict[str, Any]:
    """Return config.yaml with every port free and one value set."""
    found: dict[str, Any] = deepcopy(load_config(TEXT))
    found["HTTP_PORTS"] = {service: ports.free_port() for service in CLASSES}
    found["METRICS_PORTS"] = {"gateway": ports.free_port()}
    found["DEV_IDENTITY_PROVIDER_PORT"] = ports.free_port()
    found["GRPC_BIND_PORT"] = ports.free_port()
    if key.startswith(("OAUTH", "OIDC")) or key == "SESSION_SECRET":
        found.update(WITH_A_PROVIDER)
    place, *_, name = [found, *key.split(".")]
    for part in key.split(".")[:-1]:
        place = place[part]
    place[name] = value
    return found


# In a process of its own: what nameko does at the start needs eventlet's patches.
PROGRAM = """
import eventlet
eventlet.monkey_patch()
import importlib, json, sys
from nameko import config
from nameko.exceptions import ConfigurationError
from chassis.container import Container

def start(service_class):
    assert config["LOGGING"]
    module, _, name = service_class.partition(":")
    container = Container(getattr(importlib.import_module(module), name))
    try:
        container.extensions.all.setup()
    except ConfigurationError as error:
        return str(error)
    finally:
        container.kill()
    return ""

for line in sys.stdin:
    service_class, settings = json.loads(line)
    with config.patch(settings, clear=True):
        try:
            said = start(service_class)
        except ConfigurationError as error:
            said = str(error)
        except Exception as error:
            said = f"{type(error).__name__} is no ConfigurationError: {error}"
    print(json.dumps(said), file=sys.__stdout__, flush=True)
"""
CASES = [(key, value) for key, (_, values) in WRONG.items() for value in values]


@pytest.fixture(scope="module")
def starter() -> Iterator[Callable[[str, dict[str, Any]], str]]:
    """Return what sets up a service, and tells what the start was refused for."""
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", PROGRAM],
        cwd=ROOT,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin
        assert process.stdout
        stdin, stdout = process.stdin, process.stdout

        def start(service: str, values: dict[str, Any]) -> str:
            stdin.write(json.dumps([f"{service}.service:{CLASSES[service]}", values]) + "\n")
            stdin.flush()
            said: str = json.loads(stdout.readline())
            return said

        yield start
        stdin.close()


@pytest.mark.parametrize(("key", "value"), CASES)
def test_wrong_value_stops_the_start(
    key: str, value: Any, starter: Callable[[str, dict[str, Any]], str]
) -> None:
    said = starter(WRONG[key][0], settings(key, value))
    assert key in said
    assert "is no ConfigurationError" not in said
    assert "\n" not in said


@pytest.mark.parametrize("service", CLASSES)
def test_right_values_do_not(service: str, starter: Callable[[str, dict[str, Any]], str]) -> None:
    assert starter(service, settings("ACCESS_LOG", True)) == ""


def test_every_key_is_tried() -> None:
    known = {key.name for key in keys(TEXT)} - ANYTHING
    assert known == WRONG.keys() | ELSEWHERE


@pytest.mark.parametrize(
    ("key", "value"), [("LOGGING.root.level", "LOUD"), ("max_workers", "many"), ("DB_POOL_SIZE", 0)]
)
def test_nameko_run_says_so_in_a_line(key: str, value: Any, tmp_path: Path) -> None:
    process = ServiceProcess("user_svc.service", config=settings(key, value), folder=tmp_path)
    assert process.start().wait() != 0
    said = [line for line in process.log.read_text().splitlines() if "Error:" in line]
    assert len(said) == 1
    assert key in said[0]
    assert "Traceback" not in process.log.read_text()
