"""The Kubernetes manifests are valid, whole, and agree with the configuration and the images."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.contract import manifests
from tests.contract.configuration import keys
from tests.contract.delivery import (
    ROOT,
    SERVICES,
    defaults,
    nats_users,
    ports,
    targets,
    variable_defaults,
    variables,
)
from tests.contract.manifests import Manifest, container, of_kind, pod, workloads

KUBERNETES = "1.37"
# DESIGN.md: the names and ports of the Services.
SERVICE_PORTS = {
    "api-gateway": [80],
    "link-manager": [8080],
    "social-graph-manager": [9090],
    "user-manager": [7070],
    "news-manager": [6060, 6061],
}
each_overlay = pytest.mark.parametrize("overlay", manifests.OVERLAYS)
each_service = pytest.mark.parametrize(("service", "name"), SERVICES.items())


@pytest.fixture
def objects(overlay: str) -> list[Manifest]:
    return manifests.overlay(overlay)


def secrets(overlay: str) -> dict[str, set[str]]:
    """Return the keys of each Secret: made by the overlay, or asked of whoever runs production."""
    if overlay == "local":
        made = of_kind(manifests.overlay(overlay), "Secret")
        return {name: set(secret["data"]) for name, secret in made.items()}
    text = (manifests.K8S / "overlays/production/secrets.example.yaml").read_text()
    asked = of_kind(list(yaml.safe_load_all(text)), "Secret")
    return {name: set(secret["stringData"]) for name, secret in asked.items()}


@each_overlay
def test_objects_are_valid(objects: list[Manifest]) -> None:
    for each in objects:
        kubernetes_validate.validate(each, KUBERNETES, strict=True)


def test_validation_finds_a_wrong_field() -> None:
    wrong = {"apiVersion": "v1", "kind": "Service", "spec": {"port": 80}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, KUBERNETES, strict=True)


@each_overlay
def test_selectors_find_pods(objects: list[Manifest]) -> None:
    all_labels = [manifests.labels(each) for each in workloads(objects).values()]
    for each in workloads(objects).values():
        if each["kind"] != "Job":
            assert manifests.selects(each["spec"]["selector"], manifests.labels(each))
        for spread in pod(each).get("topologySpreadConstraints", []):
            assert manifests.selects(spread["labelSelector"], manifests.labels(each))
    selectors = list(manifests.walk(objects, "podSelector"))
    chosen = of_kind(objects, "Service", "PodDisruptionBudget").values()
    selectors += [each["spec"]["selector"] for each in chosen]
    for selector in selectors:
        assert any(manifests.selects(selector, labels) for labels in all_labels), selector


@each_overlay
def test_what_is_referred_to_exists(objects: list[Manifest], overlay: str) -> None:
    maps = of_kind(objects, "ConfigMap").keys()
    for name in manifests.walk(objects, "configMapRef"):
        assert name["name"] in maps
    for volume in manifests.walk(objects, "volumes"):
        assert {each["configMap"]["name"] for each in volume if "configMap" in each} <= maps
    for reference in manifests.walk(objects, "secretKeyRef"):
        assert reference["key"] in secrets(overlay)[reference["name"]]
    accounts = of_kind(objects, "ServiceAccount")
    assert set(manifests.walk(objects, "serviceAccountName")) <= accounts.keys()
    for scaler in of_kind(objects, "HorizontalPodAutoscaler").values():
        assert scaler["spec"]["scaleTargetRef"]["name"] in of_kind(objects, "Deployment")
    for backend in manifests.walk(list(of_kind(objects, "Ingress").values()), "service"):
        named = of_kind(objects, "Service")[backend["name"]]["spec"]["ports"]
        assert backend["port"]["name"] in {port["name"] for port in named}


@each_overlay
def test_no_secret_is_asked_for_in_vain(objects: list[Manifest], overlay: str) -> None:
    references = manifests.walk(objects, "secretKeyRef")
    used = {(each["name"], each["key"]) for each in references}
    given = {(name, key) for name, keys in secrets(overlay).items() for key in keys}
    assert given == used


@each_overlay
def test_named_ports_exist(objects: list[Manifest]) -> None:
    for each in workloads(objects).values():
        known = {port["name"] for port in container(each).get("ports", [])}
        assert {port for port in manifests.walk(container(each), "port") if port != 6060} <= known
        for service in of_kind(objects, "Service").values():
            if manifests.selects(service["spec"]["selector"], manifests.labels(each)):
                assert {port["targetPort"] for port in service["spec"]["ports"]} <= known


@each_overlay
@each_service
def test_ports_are_those_of_the_design_and_the_configuration(
    objects: list[Manifest], service: str, name: str
) -> None:
    listens = {port["containerPort"] for port in container(workloads(objects)[name])["ports"]}
    assert listens == ports(service)
    offered = of_kind(objects, "Service")[name]["spec"]["ports"]
    assert [port["port"] for port in offered] == SERVICE_PORTS[name]


@each_overlay
@each_service
def test_image_is_a_target_of_the_dockerfile(
    objects: list[Manifest], service: str, name: str
) -> None:
    image = service.replace("_", "-")
    found = [container(workloads(objects)[name])["image"]]
    found += [
        container(job)["image"]
        for job_name, job in of_kind(objects, "Job").items()
        if job_name == f"{name}-migrations"
    ]
    assert all(re.fullmatch(rf"(.+/)?delinkcious/{image}:[\w.]+", each) for each in found)
    assert service in targets()


@each_overlay
def test_environment_is_known_to_the_configuration(objects: list[Manifest]) -> None:
    for each in [*of_kind(objects, "Deployment").values(), *of_kind(objects, "Job").values()]:
        names = manifests.environment(each, objects)
        values = " ".join(env.get("value", "") for env in container(each).get("env", []))
        assert names - set(re.findall(r"\$\((\w+)\)", values)) <= variables()


def test_each_key_of_the_configuration_is_known_by_a_variable() -> None:
    """Otherwise a container, whose config.yaml is the image's, could not set it."""
    named = {key.name for key in keys((ROOT / "config.yaml").read_text()) if key.variables}
    logging = {key for key in leaves(defaults()) if key.startswith("LOGGING.")}
    assert leaves(defaults()) - named == {"SERVICE_CONTAINER_CLS"} | logging - named
    assert "LOGGING.root.level" in named


def leaves(values: dict[str, Any], prefix: str = "") -> set[str]:
    """Return the keys that hold a value, with dots for what is inside another."""
    found: set[str] = set()
    for name, value in values.items():
        found |= leaves(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name}
    return found


@pytest.mark.parametrize("overlay", manifests.PRODUCTION)
def test_production_finds_its_alerts_and_dashboard(objects: list[Manifest]) -> None:
    maps = of_kind(objects, "ConfigMap")
    assert yaml.safe_load(maps["delinkcious-alerts"]["data"]["alerts.yaml"])["groups"]
    board = maps["delinkcious-dashboard"]
    assert board["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert json.loads(board["data"]["dashboard.json"])["panels"]


@each_overlay
def test_values_are_made_of_what_comes_before_them(objects: list[Manifest]) -> None:
    """Kubernetes fills ``$(NAME)`` with variables of its own and with those named before."""
    known = {
        f"{service.upper().replace('-', '_')}_SERVICE_{what}"
        for service in of_kind(objects, "Service")
        for what in ("HOST", "PORT")
    }
    for each in workloads(objects).values():
        before: set[str] = set()
        for env in container(each).get("env", []):
            assert set(re.findall(r"\$\((\w+)\)", env.get("value", ""))) <= before | known
            before.add(env["name"])


def test_settings_begin_with_the_defaults_of_the_configuration() -> None:
    base = yaml.safe_load((manifests.K8S / "base/kustomization.yaml").read_text())
    known = variable_defaults()
    for literal in (each for made in base["configMapGenerator"] for each in made["literals"]):
        name, _, value = literal.partition("=")
        assert known[name] == value


def test_names_that_kubernetes_sets_are_services_of_the_local_overlay() -> None:
    objects = manifests.overlay("local")
    services = of_kind(objects, "Service")
    hosts = {name for name in variables() if name.endswith("_SERVICE_HOST")}
    assert {"NATS_CLUSTER_SERVICE_HOST", "NEWS_MANAGER_SERVICE_HOST"} <= hosts
    for host in hosts:
        name = host.removesuffix("_SERVICE_HOST").lower().replace("_", "-")
        assert services[name]["spec"].get("clusterIP") != "None"  # headless ones set no variable
    assert not variables() & set(set_by_kubernetes(services.values()))


def set_by_kubernetes(services: Iterable[Manifest]) -> Iterator[str]:
    """Yield the variables, beside a Service's host and port, that would overrule ours."""
    for service in services:
        prefix = service["metadata"]["name"].upper().replace("-", "_")
        yield f"{prefix}_PORT"
        for port in service["spec"]["ports"]:
            yield f"{prefix}_SERVICE_PORT_{port['name'].upper()}"
            for rest in ("", "_PROTO", "_PORT", "_ADDR"):
                yield f"{prefix}_PORT_{port['port']}_TCP{rest}"


@each_overlay
@each_service
def test_each_service_is_its_own_user_of_nats(
    objects: list[Manifest], service: str, name: str
) -> None:
    env: dict[str, Any] = {
        each["name"]: each for each in container(workloads(objects)[name])["env"]
    }
    assert env["NATS_PASSWORD"]["valueFrom"]["secretKeyRef"]["key"] == service
    assert env["NATS_URL"]["value"].startswith(f"nats://{service}:")
    assert env["AMQP_URI"]["value"] == "$(NATS_URL)"
    assert service in nats_users()


@pytest.mark.parametrize("overlay", manifests.PRODUCTION)
def test_production_keeps_events_on_three_nodes(objects: list[Manifest]) -> None:
    nodes = workloads(objects)["nats"]["spec"]["replicas"]
    (replicas,) = manifests.walk(list(of_kind(objects, "ConfigMap").values()), "STREAM_REPLICAS")
    assert nodes == int(replicas) == 3
    (routes,) = manifests.walk(list(of_kind(objects, "ConfigMap").values()), "cluster.conf")
    assert re.findall(r"nats-(\d)\.nats-routes:6222", routes) == ["0", "1", "2"]


def test_events_are_on_the_disk_before_they_are_acknowledged() -> None:
    text = (ROOT / "k8s/servers/nats/nats.conf").read_text()
    assert re.search(r"^  sync_interval: always$", text, re.MULTILINE)
    assert defaults()["STREAM_REPLICAS"] == 1


@each_overlay
def test_migrations_alone_hold_the_address_of_the_tables_owner(objects: list[Manifest]) -> None:
    for each in of_kind(objects, "Deployment").values():
        names = manifests.environment(each, objects)
        assert [name for name in names if "OWNER" in name] == []
    for each in of_kind(objects, "Job").values():
        names = [name for name in manifests.environment(each, objects) if name.endswith("_URI")]
        assert [name.endswith("_DB_OWNER_URI") for name in names] == [True]
