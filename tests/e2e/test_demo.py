"""``make demo``: the sample's links, each in the news of everybody who follows its owner."""

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

from bench import bookmarks
from bench.demo import people
from tests.e2e.system import ROOT, System

SAMPLE = ROOT / "bench" / "data" / "bookmarks.html"
NAMES = list(people.NAMES[:5])


def demo(system: System | None, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bench.demo", *map(str, arguments)]
    env = system.env if system else None
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)


def everyones_links(private: bool) -> dict[str, set[str]]:
    """Return which links of the sample each person is given, and keeps private or not."""
    given = list(bookmarks.read(SAMPLE))
    return {
        name: {each.url for each in given[place :: len(NAMES)] if each.private == private}
        for place, name in enumerate(NAMES)
    }


def news_of(system: System, name: str) -> Counter[tuple[str, str]]:
    """Count the events in somebody's news by who acted and on which URL; walk all pages."""
    api = system.api(name)
    found: Counter[tuple[str, str]] = Counter()
    start_token, more = "", True
    while more:
        page = api.news(page_size=50, start_token=start_token)
        found.update((event["Username"], event["Url"]) for event in page["events"])
        start_token = page["next_token"]
        more = bool(start_token)
    return found


def test_demo_brings_every_link_to_every_follower_once_however_often_it_runs(
    system: System,
) -> None:
    links, secrets = everyones_links(private=False), everyones_links(private=True)
    total = sum(map(len, (*links.values(), *secrets.values())))
    first, second = demo(system), demo(system)
    assert first.returncode == 0, first.stderr
    assert f"links added: {total}, already there: 0, refused: 0\n" in first.stdout
    assert second.returncode == 0, second.stderr
    assert f"links added: 0, already there: {total}, refused: 0\n" in second.stdout

    sample = set().union(*links.values(), *secrets.values())
    for name, followed in people.follows(NAMES).items():
        expected = {(author, url) for author in followed for url in links[author]}
        # Other tests share the system, and perhaps the names: only the sample's links count.
        seen = {event: n for event, n in news_of(system, name).items() if event[1] in sample}
        assert seen == dict.fromkeys(expected, 1), name
        assert f"{name}'s news: " in first.stdout


def test_demo_counts_what_is_refused_and_says_why(system: System, tmp_path: Path) -> None:
    file = tmp_path / "mine.html"
    file.write_text(
        '<DT><A HREF="https://example.org/demo">Good</A>'
        '<DT><A HREF="javascript:alert(1)">Bad</A><DT><A HREF="place:x">Bad</A>'
    )
    done = demo(system, file, "--users", "2")
    assert done.returncode == 0, done.stderr
    assert "links added: 1, already there: 0, refused: 2\n" in done.stdout
    # Which of the two is answered first is not for us to say.
    assert re.search(r"invalid_url: 2, the first '(javascript:alert\(1\)|place:x)'", done.stdout)


def test_demo_of_a_file_that_is_none_is_told_in_one_line(tmp_path: Path) -> None:
    empty = tmp_path / "empty.html"
    empty.write_text("nothing")
    for file, reason in (
        (tmp_path / "none.html", "No such file"),
        (tmp_path, "Is a directory"),
        (empty, "no bookmarks"),
    ):
        done = demo(None, file)
        (line,) = done.stderr.splitlines()
        assert (done.returncode, done.stdout) == (1, "")
        assert reason in line


def test_demo_without_a_system_is_told_in_one_line(own_system: System) -> None:
    done = demo(own_system)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith("start the system with 'make run'\n")
    assert done.stderr.count("\n") == 1
