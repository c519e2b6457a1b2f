"""With ``k8s/components/tls`` all that production says between its Pods is said over TLS."""

from typing import Any

import kubernetes_validate
import pytest

from tests.contract import manifests
from tests.contract.delivery import ROOT
from tests.contract.manifests import container, of_kind, pod, workloads
from tests.contract.test_manifests import KUBERNETES

DEPLOYMENTS = {
    "api-gateway",
    "link-manager",
    "news-manager",
    "social-graph-manager",
    "user-manager",
}


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> list[manifests.Manifest]:
    return manifests.production_with("tls", tmp_path_factory.mktemp("overlay"))


def settings(objects: list[manifests.Manifest], workload: str) -> dict[str, Any]:
    """Return what a Pod's environment holds in plain text."""
    made = container(workloads(objects)[workload])
    maps = of_kind(objects, "ConfigMap")
    found: dict[str, Any] = {}
    for source in made["envFrom"]:
        found |= maps[source["configMapRef"]["name"]]["data"]
    return found | {each["name"]: each.get("value") for each in made["env"]}


def test_objects_are_valid(objects: list[manifests.Manifest]) -> None:
    for each in objects:
        kubernetes_validate.validate(each, KUBERNETES, strict=True)


@pytest.mark.parametrize("workload", sorted({*DEPLOYMENTS, "nats"}))
def test_each_pod_has_the_certificate(objects: list[manifests.Manifest], workload: str) -> None:
    found = workloads(objects)[workload]
    volumes = {volume["name"]: volume for volume in pod(found)["volumes"]}
    assert volumes["tls"]["secret"]["secretName"] == "delinkcious-tls"
    mounts = {mount["name"]: mount["mountPath"] for mount in container(found)["volumeMounts"]}
    assert mounts["tls"] == "/tls"


@pytest.mark.parametrize("workload", sorted(DEPLOYMENTS))
def test_each_service_knows_nats_by_its_name(
    objects: list[manifests.Manifest], workload: str
) -> None:
    found = settings(objects, workload)
    assert found["NATS_TLS_CA_FILE"] == "/tls/ca.crt"
    assert (found["NATS_TLS_CERT_FILE"], found["NATS_TLS_KEY_FILE"]) == (
        "/tls/tls.crt",
        "/tls/tls.key",
    )
    names = [each["name"] for each in container(workloads(objects)[workload])["env"]]
    assert names.index("NATS_CLUSTER_SERVICE_HOST") < names.index("NATS_URL")
    assert found["NATS_CLUSTER_SERVICE_HOST"] in of_kind(objects, "Service")


def test_the_gateway_and_the_news_show_each_other_who_they_are(
    objects: list[manifests.Manifest],
) -> None:
    gateway, news = settings(objects, "api-gateway"), settings(objects, "news-manager")
    assert gateway["NEWS_GRPC_TARGET"] == "https://news-manager:6060"
    assert gateway["GRPC_TLS_CA_FILE"] == news["GRPC_TLS_CLIENT_CA_FILE"] == "/tls/ca.crt"
    assert gateway["GRPC_TLS_CERT_FILE"] == news["GRPC_TLS_CERT_FILE"] == "/tls/tls.crt"
    assert "httpGet" in container(workloads(objects)["news-manager"])["readinessProbe"]
    ports = of_kind(objects, "Service")["news-manager"]["spec"]["ports"]
    assert not [port for port in ports if "appProtocol" in port]


def test_nats_speaks_nothing_else(objects: list[manifests.Manifest]) -> None:
    volumes = {each["name"]: each for each in pod(workloads(objects)["nats"])["volumes"]}
    files = of_kind(objects, "ConfigMap")[volumes["config"]["configMap"]["name"]]["data"]
    assert "include tls.conf" in files["nats.conf"]
    assert files["tls.conf"] == (ROOT / "k8s/components/tls/tls.conf").read_text()
    assert "nats-0.nats-routes" in files["cluster.conf"]
