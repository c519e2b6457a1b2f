"""compose.yaml holds against the Dockerfile and the configuration. Nothing is started here."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from tests.contract.delivery import ROOT, SERVICES, defaults, nats_users, ports, stages, variables

TEXT = (ROOT / "compose.yaml").read_text()
# nameko teaches the safe loader to put variables in by itself.
DOCUMENT: dict[str, Any] = yaml.load(TEXT, Loader=yaml.FullLoader)
PARTS: dict[str, dict[str, Any]] = DOCUMENT["services"]
OURS = {name: part for name, part in PARTS.items() if "build" in part}
SERVERS = {"nats", "postgres", "valkey"}
VARIABLE = re.compile(r"\$\{(\w+):-([^}]*)\}")
each_part = pytest.mark.parametrize("name", PARTS)
ours = pytest.mark.parametrize("name", OURS)
each_service = pytest.mark.parametrize("service", SERVICES)


def compose_name(service: str) -> str:
    return service.replace("_", "-")


def filled(text: str) -> str:
    """Return a text as it is where .env says nothing."""
    return VARIABLE.sub(lambda match: match[2], text)


def addresses(part: dict[str, Any]) -> list[str]:
    """Return the addresses that a container gets, inside the system."""
    values = [filled(value) for value in part.get("environment", {}).values()]
    found = [value for value in values if "://" in value]
    return [value for value in found if "localhost" not in value]


def compose(text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Let Docker Compose read a file, and say what it makes of it; it asks no daemon for that."""
    command = shutil.which("docker-compose", path=f"{Path(sys.executable).parent}")
    if command is None:
        pytest.skip("docker-compose is not installed, which knows what a Compose file may say")
    (folder / "compose.yaml").write_text(text)
    reading = [command, "--project-directory", ROOT, "--file", folder / "compose.yaml", "config"]
    return subprocess.run(
        [*reading, "--format", "json"],
        env={"HOME": str(folder), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
    )


def test_docker_compose_takes_it_as_it_is_meant(tmp_path: Path) -> None:
    done = compose(TEXT, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    parts = json.loads(done.stdout)["services"]
    assert parts.keys() == PARTS.keys()
    for name, part in PARTS.items():
        given = {key: filled(value) for key, value in part.get("environment", {}).items()}
        assert parts[name].get("environment", {}) == given


def test_docker_compose_finds_a_wrong_key(tmp_path: Path) -> None:
    done = compose(TEXT.replace("stop_grace_period: 25s", "grace: 25s"), tmp_path)
    assert done.returncode != 0
    assert "grace" in done.stderr


def test_whole_system_is_there() -> None:
    assert {compose_name(service) for service in SERVICES} | SERVERS <= PARTS.keys()


@ours
def test_image_is_built_from_a_target_of_the_dockerfile(name: str) -> None:
    target = OURS[name]["build"]["target"]
    assert target in stages()
    assert OURS[name]["image"] == f"delinkcious/{target}:local"


@ours
def test_environment_is_known_to_the_configuration(name: str) -> None:
    assert OURS[name]["environment"].keys() <= variables()


@each_part
def test_images_are_pinned(name: str) -> None:
    assert re.search(r":[\w.-]+$", PARTS[name]["image"])
    assert not PARTS[name]["image"].endswith(":latest")


@each_part
def test_containers_are_locked_in(name: str) -> None:
    assert PARTS[name]["read_only"] is True
    assert PARTS[name]["cap_drop"] == ["ALL"]
    assert PARTS[name]["security_opt"] == ["no-new-privileges:true"]


@each_part
def test_addresses_are_within_reach(name: str) -> None:
    for address in addresses(PARTS[name]):
        host = str(urlsplit(address).hostname)
        assert set(PARTS[host]["networks"]) & set(PARTS[name]["networks"])


def test_gateway_reaches_no_database() -> None:
    assert not set(PARTS["gateway"]["networks"]) & set(PARTS["postgres"]["networks"])


def test_gateway_is_a_user_of_its_own_in_valkey() -> None:
    address = PARTS["gateway"]["environment"]["RATE_LIMIT_REDIS_URL"]
    assert urlsplit(filled(address)).username == "gateway"


def test_only_the_gateway_is_reached_from_outside() -> None:
    assert [name for name, part in PARTS.items() if "ports" in part] == ["gateway"]
    inner = [name for name in DOCUMENT["networks"] if name != "front"]
    assert all(DOCUMENT["networks"][name] == {"internal": True} for name in inner)
    published = [filled(port) for port in PARTS["gateway"]["ports"]]
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_published_ports_are_those_of_the_configuration() -> None:
    api, provider = PARTS["gateway"]["ports"]
    config = defaults()
    assert int(api.rpartition(":")[2]) == config["HTTP_PORTS"]["gateway"]
    listen, forward = PARTS["identity"]["command"]
    assert provider.rpartition(":")[2] == re.findall(r"LISTEN:(\d+)", listen)[0]
    assert forward == f"TCP:127.0.0.1:{config['DEV_IDENTITY_PROVIDER_PORT']}"


@each_service
def test_service_is_its_own_user_of_nats(service: str) -> None:
    environment = PARTS[compose_name(service)]["environment"]
    for name in ("AMQP_URI", "NATS_URL"):
        assert urlsplit(filled(environment[name])).username == service
    assert service in nats_users()
    assert f"NATS_PASSWORD_{service.upper()}" in PARTS["nats"]["environment"]


def test_news_are_asked_at_their_grpc_port() -> None:
    target = urlsplit(PARTS["gateway"]["environment"]["NEWS_GRPC_TARGET"])
    assert target.hostname == "news-svc"
    assert target.port in ports("news_svc")
    assert target.port == defaults()["GRPC_BIND_PORT"]


def test_both_ends_take_a_password_from_the_same_variable() -> None:
    found = set(VARIABLE.findall(TEXT))
    assert len(found) == len(dict(found))  # no variable has two defaults
    servers = " ".join(str(PARTS[name]["environment"]) for name in SERVERS)
    given = {name for name, _ in VARIABLE.findall(servers)}
    clients = " ".join(str(part["environment"]) for part in OURS.values())
    used = {name for name, _ in VARIABLE.findall(clients) if "PASSWORD" in name}
    # Two are for people.
    assert given - used == {"POSTGRES_PASSWORD", "NATS_PASSWORD_OPERATOR"}
    assert used <= given


@each_part
def test_mounted_files_exist(name: str) -> None:
    for volume in PARTS[name].get("volumes", []):
        source = volume.split(":")[0]
        assert (ROOT / source).is_file() if "/" in source else source in DOCUMENT["volumes"]


def test_start_order_matters_only_where_it_must() -> None:
    after = {name: list(part["depends_on"]) for name, part in PARTS.items() if "depends_on" in part}
    migrations = {name: ["postgres"] for name in PARTS if name.endswith("-migrations")}
    assert after == migrations | {"identity": ["gateway"]}
    assert all("healthcheck" in PARTS[name] for name in SERVERS)


@each_service
def test_stopping_services_have_the_time_they_take(service: str) -> None:
    grace = int(PARTS[compose_name(service)]["stop_grace_period"].removesuffix("s"))
    assert grace >= 2 * defaults()["STOP_GRACE_SECONDS"] + 3


def test_migrations_alone_hold_the_address_of_the_tables_owner() -> None:
    for name, part in PARTS.items():
        addresses = [key for key in part.get("environment", {}) if key.endswith("_OWNER_URI")]
        assert len(addresses) == name.endswith("-migrations"), name
