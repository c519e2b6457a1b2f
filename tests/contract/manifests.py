"""The manifests as ``kubectl kustomize`` renders them, and ways to look at them."""

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.contract.delivery import ROOT

Manifest = dict[str, Any]

K8S = ROOT / "k8s"
PRODUCTION = ("production", "production-load-balancer")
OVERLAYS = ("local", *PRODUCTION)
# What each overlay is made of, when everything that belongs to it is applied.
PARTS = {name: (name, "production/migrations") for name in PRODUCTION} | {"local": ("local",)}


def overlay(name: str) -> list[Manifest]:
    """Return all objects of an overlay, its migrations among them."""
    return [each for part in PARTS[name] for each in rendered(part)]


@functools.cache
def rendered(part: str) -> list[Manifest]:
    """Return the objects of one kustomization."""
    beside = str(Path(sys.executable).parent)
    kubectl = shutil.which("kubectl", path=f"{beside}{os.pathsep}{os.environ.get('PATH', '')}")
    if kubectl is None:
        pytest.skip("kubectl is not installed, which renders the manifests")
    command = [kubectl, "kustomize", K8S / "overlays" / part]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "deprecated" not in done.stderr
    return list(yaml.safe_load_all(done.stdout))


def production_with(component: str, folder: Path) -> list[Manifest]:
    """Return production with a component, as its owner would add it in a folder of their own."""

    def beside(path: str) -> str:
        return os.path.relpath(K8S.resolve() / path, folder.resolve())

    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": "delinkcious",
        "resources": [beside("overlays/production")],
        "components": [beside(f"components/{component}")],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    return rendered(str(folder.resolve()))


def of_kind(objects: list[Manifest], *kinds: str) -> dict[str, Manifest]:
    """Return the objects of these kinds by name."""
    return {each["metadata"]["name"]: each for each in objects if each["kind"] in kinds}


def workloads(objects: list[Manifest]) -> dict[str, Manifest]:
    """Return what makes Pods, by name."""
    return of_kind(objects, "Deployment", "StatefulSet", "Job")


def pod(workload: Manifest) -> Manifest:
    """Return the Pod's specification."""
    spec: Manifest = workload["spec"]["template"]["spec"]
    return spec


def container(workload: Manifest) -> Manifest:
    """Return the Pod's one container."""
    (only,) = pod(workload)["containers"]
    found: Manifest = only
    return found


def labels(workload: Manifest) -> dict[str, str]:
    """Return the labels of the Pods."""
    found: dict[str, str] = workload["spec"]["template"]["metadata"]["labels"]
    return found


def selects(selector: Manifest, of: dict[str, str]) -> bool:
    """Tell whether a selector, or a Service's plain one, takes Pods with these labels."""
    plain = {} if {"matchLabels", "matchExpressions"} & selector.keys() else selector
    wanted = selector.get("matchLabels", plain)
    rules = selector.get("matchExpressions", [])
    assert all(rule["operator"] == "In" for rule in rules)
    return all(of.get(key) == value for key, value in wanted.items()) and all(
        of.get(rule["key"]) in rule["values"] for rule in rules
    )


def walk(node: Any, key: str) -> Iterator[Any]:
    """Yield every value that stands under this key, however deep."""
    if isinstance(node, dict):
        for name, value in node.items():
            if name == key:
                yield value
            yield from walk(value, key)
    elif isinstance(node, list):
        for each in node:
            yield from walk(each, key)


def environment(workload: Manifest, objects: list[Manifest]) -> set[str]:
    """Return the names of the variables that a container gets."""
    found = {each["name"] for each in container(workload).get("env", [])}
    maps = of_kind(objects, "ConfigMap")
    for source in container(workload).get("envFrom", []):
        found |= maps[source["configMapRef"]["name"]]["data"].keys()
    return found
