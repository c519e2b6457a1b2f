"""One id through all that a request sets in motion, and no secret in anything that is said."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.e2e.api import Api, added, assert_told, person, sign_in
from tests.e2e.collector import Collector
from tests.e2e.conftest import a_system
from tests.e2e.survival import pids
from tests.e2e.system import ROOT, System
from tests.e2e.test_metrics import SERVICES, scraped
from tests.processes import until

LINE = re.compile(r"^\S+ +\| (\{.*\})$")
STORAGE = {"jetstream", "appendonlydir", "base", "pg_wal"}  # of NATS, Valkey and PostgreSQL
PLANTED = {
    "SESSION_SECRET": "plantedsessionsecret0123456789abcdef",
    "AMQP_URI": "nats://somebody:plantedbuspassword@127.0.0.1:{nats}",
    "NATS_URL": "nats://somebody:plantedstreampassword@127.0.0.1:{nats}",
    "LINK_DB_URI": "postgresql://link_svc:planteddbpassword@127.0.0.1:{postgres}/link_svc",
    "REDIS_URL": "redis://default:plantedfeedspassword@127.0.0.1:{valkey}/0",
    "RATE_LIMIT_REDIS_URL": "redis://default:plantedlimitspassword@127.0.0.1:{valkey}/0",
    "GITHUB_CLIENT_SECRET": "plantedclientsecret",
}


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    """Return a collector of traces."""
    collector = Collector()
    collector.start()
    yield collector
    collector.stop()


@pytest.fixture(scope="module")
def talkative(collector: Collector) -> Iterator[System]:
    """Return a running system that says all it can, with secrets in its configuration."""
    for system in a_system():
        ports = {
            server: system.port(f"EMBEDDED.{server.upper()}_PORT")
            for server in ("nats", "postgres", "valkey")
        }
        for name, value in PLANTED.items():
            system.env[name] = value.format(**ports)
        system.env["RATE_LIMIT_TOKEN"] = "100000/minute"  # so that they are counted
        system.env["LOG_LEVEL"] = "DEBUG"
        system.env["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.url
        system.env["TOKEN_CACHE_SECONDS"] = "0.001"  # so that user_svc is asked each time
        system.start()
        yield system


def lines(system: System) -> Iterator[dict[str, Any]]:
    """Yield what was logged so far."""
    for text in system.said().splitlines():
        if match := LINE.match(text):
            yield json.loads(match[1])


def at_work(system: System, request_id: str) -> set[tuple[str, str]]:
    """Return who has logged something with this id: service and entrypoint."""
    found = (line for line in lines(system) if line.get("request_id") == request_id)
    return {(line["service"], line.get("entrypoint", "")) for line in found}


def test_one_id_follows_a_link_into_everybodys_news(talkative: System) -> None:
    author, reader = person(talkative.url, "author"), person(talkative.url, "reader")
    reader.follow(author.name)
    link = {"url": "https://a.example/1"}
    answer = author.call(
        "POST",
        "/v1.0/links",
        json=link,
        headers={"X-Request-ID": "add-1"},
    )
    assert answer.headers["X-Request-ID"] == "add-1"
    assert_told(reader, added(author, "https://a.example/1"))
    reader.call("GET", "/v1.0/news", headers={"X-Request-ID": "read-1"})

    sides = {("gateway", ""), ("gateway", "add_link")}
    bus = {("user_svc", "verify_token"), ("link_svc", "add_link")}
    stream = {("news_svc", "on_link_events"), ("social_graph_svc", "get_followers")}
    until(lambda: sides | bus | stream <= at_work(talkative, "add-1"))
    until(lambda: ("news_svc", "GetNews") in at_work(talkative, "read-1"))


def test_each_line_is_json_and_each_workers_line_has_its_id(talkative: System) -> None:
    person(talkative.url, "somebody").add_link("https://a.example/2")
    services = {
        text.partition("|")[0].strip() for text in talkative.said().splitlines() if LINE.match(text)
    }
    assert set(SERVICES) <= services
    working = [line for line in lines(talkative) if "entrypoint" in line]
    assert working
    assert all(line["service"] and line["request_id"] for line in working)


def test_problem_names_the_request_that_the_log_speaks_of(talkative: System) -> None:
    answer = Api(talkative.url).call("GET", "/v1.0/links")
    assert answer.status_code == 401
    request_id = answer.json()["request_id"]
    assert request_id == answer.headers["X-Request-ID"]
    until(lambda: ("gateway", "get_links") in at_work(talkative, request_id))


def secrets_of_a_sign_in(system: System) -> Iterator[str]:
    """Sign in, and yield all that nobody else may learn of it."""
    with requests.Session() as browser:
        browser.trust_env = False
        answer = browser.get(f"{system.url}/login", timeout=10, allow_redirects=False)
        yield from answer.cookies.values()
        page = answer.headers["Location"]
        answer = browser.post(page, data={"login": "eve"}, timeout=10, allow_redirects=False)
        back = answer.headers["Location"]
        yield from re.findall(r"(?:code|state)=([^&]+)", back)
        profile = browser.get(back, timeout=10).json()
    yield profile["access_token"]
    yield profile["email"]


def test_one_trace_has_all_that_a_request_sets_in_motion(
    talkative: System, collector: Collector
) -> None:
    somebody = person(talkative.url, "traced")
    trace_id, span_id = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    headers = {"Traceparent": f"00-{trace_id}-{span_id}-01"}
    somebody.call("GET", "/v1.0/links", headers=headers)
    somebody.call("GET", "/v1.0/news", headers=headers)
    expected = {
        "gateway: gateway.get_links",
        "gateway: link_svc.get_links",
        "link_svc: link_svc.get_links",
        "gateway: gateway.get_news",
        "gateway: news_svc.GetNews",
        "news_svc: news_svc.GetNews",
    }
    until(lambda: expected <= collector.spans(trace_id).keys())
    spans = collector.spans(trace_id)
    assert spans["gateway: gateway.get_links"].parent_span_id.hex() == span_id
    assert within(spans, "gateway: link_svc.get_links", "gateway: gateway.get_links")
    assert within(spans, "link_svc: link_svc.get_links", "gateway: link_svc.get_links")
    assert within(spans, "gateway: news_svc.GetNews", "gateway: gateway.get_news")
    assert within(spans, "news_svc: news_svc.GetNews", "gateway: news_svc.GetNews")


def within(spans: dict[str, Any], inner: str, outer: str) -> bool:
    """Tell whether a span is a part of another."""
    found: bool = spans[inner].parent_span_id == spans[outer].span_id
    return found


def arguments(system: System) -> str:
    """Return the arguments of every process, which anybody on the machine may read."""
    return "\n".join(" ".join(process.cmdline()) for process in system.processes())


def written(system: System) -> str:
    """Return what stands in all files but those that are the databases' storage."""
    data = Path(system.env["DELINKCIOUS_DATA_DIR"])
    files = [path for path in data.rglob("*") if path.is_file() and not path.is_symlink()]
    kept = [path for path in files if not STORAGE & set(path.relative_to(data).parts)]
    return "".join(f"{path}\n{path.read_bytes().decode(errors='replace')}\n" for path in kept)


def shown(system: System) -> str:
    """Return what ``nameko show-config`` prints."""
    command = [sys.executable, "-W", "ignore", "-m", "nameko", "show-config"]
    done = subprocess.run(
        [*command, "--config", "config.yaml"],
        cwd=ROOT,
        env=system.env,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout + done.stderr


def test_f12_no_secret_is_said(talkative: System, collector: Collector) -> None:
    hidden = [*secrets_of_a_sign_in(talkative), *re.findall(r"planted\w+", str(PLANTED))]
    eve = Api(talkative.url, token=sign_in(talkative.url, "eve")["access_token"], name="eve")
    hidden += [eve.token, "plantedquery", "plantedbearer", "plantedcookie", "plantedcode"]
    eve.links(url_regex="plantedquery")
    calls = [
        eve.call("GET", "/v1.0/links?plantedquery=plantedquery&start_token=plantedquery"),
        eve.call("GET", "/plantedquery"),
        eve.call("GET", "/login/authorized?code=plantedcode&state=plantedcode"),
        eve.call("GET", "/v1.0/news", headers={"Access-Token": "dlk_plantedbearer"}),
        eve.call("GET", "/v1.0/news", headers={"Cookie": "session=plantedcookie"}),
        eve.call("PLANTEDQUERY", "/v1.0/links"),
    ]
    assert max(answer.status_code for answer in calls) < 500
    for part in ("NATS", "PostgreSQL", "Valkey"):  # so that everybody complains of their addresses
        os.kill(pids(talkative)[part], signal.SIGKILL)
    number = count()
    until(lambda: eve.add_link(f"https://a.example/{next(number)}") is None)

    said = talkative.said() + "".join(scraped(service, talkative) for service in SERVICES)
    said += str(collector.requests) + "".join(answer.text for answer in calls)
    places = {
        "said": said,
        "arguments": arguments(talkative),
        "written": written(talkative),
        "shown": shown(talkative),
    }
    known = {
        "said": "GetNews",
        "arguments": "nats-server",
        "written": "jetstream",
        "shown": "MAX_LINKS_PER_USER",
    }
    assert {place for place, text in places.items() if known[place] in text} == set(places)
    assert [(place, hid) for place, text in places.items() for hid in hidden if hid in text] == []
    assert "finished" in said
