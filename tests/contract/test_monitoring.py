"""The alert rules and the dashboard speak of numbers that there are, and the handbook of alerts."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.contract.delivery import ROOT

MONITORING = ROOT / "k8s" / "components" / "monitoring"
DOCS = ROOT / "docs"

# What Prometheus adds to every series, and histograms to theirs.
ADDED = {"service", "instance", "job", "le"}
SERIES_OF = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("",), "gauge": ("",)}
WORDS = {"by", "without", "on", "ignoring", "and", "or", "unless", "bool", "offset"}
_ROW = re.compile(r"^\| `(?P<name>\w+)` \| (?P<type>\w+) \| (?P<labels>[^|]*)\|", re.MULTILINE)
_STRING = re.compile(r"\"[^\"]*\"")
_SELECTOR = re.compile(r"\{([^}]*)\}")
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)")
_NAME = re.compile(r"[a-zA-Z_]\w*(?!\w|\s*\()")


def documented() -> dict[str, set[str]]:
    """Return the labels of each series, as docs/metrics.md has them."""
    found = {}
    for row in _ROW.finditer((DOCS / "metrics.md").read_text()):
        for ending in SERIES_OF[row["type"]]:
            found[row["name"] + ending] = set(re.findall(r"\w+", row["labels"])) | ADDED
    return found


def alerts() -> list[dict[str, Any]]:
    rules = yaml.safe_load((MONITORING / "alerts.yaml").read_text())
    return [rule for group in rules["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((MONITORING / "dashboard.json").read_text())["panels"]
    return found


def expressions() -> Iterator[str]:
    for rule in alerts():
        yield rule["expr"]
    for panel in panels():
        for target in panel.get("targets", []):
            yield target["expr"]


def named(expression: str) -> tuple[set[str], set[str]]:
    """Return the series and the labels that an expression names."""
    bare = _STRING.sub("", expression).replace("$__rate_interval", "5m")
    lists = [*_SELECTOR.findall(bare), *_GROUPING.findall(bare)]
    rest = re.sub(r"\[[^]]*\]", "", _GROUPING.sub("", _SELECTOR.sub("", bare)))
    series = set(_NAME.findall(rest)) - WORDS
    return series, {label for each in lists for label in re.findall(r"[a-z_]\w*", each)}


@pytest.mark.parametrize("expression", list(expressions()))
def test_expressions_name_what_the_services_tell(expression: str) -> None:
    known = documented()
    assert len(known) > 30
    series, labels = named(expression)
    assert series
    for name in series:
        if not name.startswith("process_"):
            assert name in known, f"{name} is not in docs/metrics.md"
    together = set().union(*(known.get(name, ADDED) for name in series))
    assert labels <= together


def test_an_unknown_series_or_label_would_be_found() -> None:
    assert named('sum by (shoe) (rate(no_such_total{size="4"}[5m])) / 2 > 0.5') == (
        {"no_such_total"},
        {"shoe", "size"},
    )


def test_every_alert_is_in_the_handbook_and_no_other() -> None:
    handbook = (DOCS / "operations.md").read_text().partition("## Alerts")[2]
    assert re.findall(r"^\| `(\w+)`", handbook, re.MULTILINE) == [
        rule["alert"] for rule in alerts()
    ]


def test_every_alert_says_how_bad_it_is_and_what_it_is_about() -> None:
    for rule in alerts():
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"]["summary"]


def test_panels_lie_side_by_side() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not cells & taken, panel["title"]
        assert all(x < 24 for x, _ in cells)
        taken |= cells
    assert len({panel["id"] for panel in panels()}) == len(panels())


def test_rules_do_what_they_say() -> None:
    """promtool comes with Prometheus."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed, which tries the alert rules on made-up numbers")
    for command in (["check", "rules", "alerts.yaml"], ["test", "rules", "alerts.test.yaml"]):
        done = subprocess.run([promtool, *command], cwd=MONITORING, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
