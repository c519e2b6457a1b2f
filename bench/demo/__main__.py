"""``make demo``: a few people load links from a bookmark file, and read each other's news."""

import argparse
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path

from bench import bookmarks
from bench.api import Api
from bench.demo import news, people, terminal
from bench.demo.loader import Loader, Tally
from embedded.errors import CannotStart

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = bookmarks.SAMPLE
CONNECTIONS = 8
COLUMNS = ("when", "who", "did", "title", "url")
COLUMN_RATIOS = (None, None, None, 5, 3)


def main() -> int:
    """Do what the command line says, and return the exit status."""
    arguments = _arguments()
    try:
        total = _count(arguments)
        _Demo(arguments).run(total)
    except CannotStart as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.demo", description=__doc__)
    parser.add_argument(
        "file", nargs="?", type=Path, default=SAMPLE, help="bookmarks in the Netscape format"
    )
    parser.add_argument(
        "--limit", type=_between(1, 10_000_000), help="load no more links than this"
    )
    parser.add_argument(
        "--users", type=_between(2, len(people.NAMES)), default=5, help="how many people take part"
    )
    parser.add_argument(
        "--latest", type=_between(1, 100), default=5, help="how many events to show of each news"
    )
    return parser.parse_args()


class _Demo:
    def __init__(self, arguments: argparse.Namespace) -> None:
        self.arguments = arguments
        self.screen = terminal.console()
        names = list(people.NAMES[: arguments.users])
        self.follows = people.follows(names)
        self.url, self.tokens = _sign_in(names)

    def run(self, total: int) -> None:
        """Follow, load so many links, wait, and show."""
        with closing(Api(self.url)) as api:
            self._follow(api)
            began = time.monotonic()
            tally = self._load(total)
            loaded = time.monotonic()
            news.wait(api, self.tokens, self.follows, tally)
            arrived = time.monotonic()
            for name in self.tokens:
                self._show_news(api, name)
        self._show_summary(tally, loaded - began, arrived - loaded)

    def _load(self, total: int) -> Tally:
        with terminal.progress(self.screen, "loading", total) as advance:
            loader = Loader(self.url, self.tokens, CONNECTIONS, advance)
            return loader.load(_read(self.arguments))

    def _follow(self, api: Api) -> None:
        for name, others in self.follows.items():
            for other in others:
                answer = api.post("/v1.0/following", self.tokens[name], followed=other)
                if answer.status != 200 and answer.code != "already_following":
                    raise CannotStart(f"{name} cannot follow {other}: {answer.body}")
            self.screen.print(f"{name} follows {', '.join(others)}")

    def _show_news(self, api: Api, name: str) -> None:
        found = news.read(api, self.tokens[name], self.arguments.latest)
        counts = ", ".join(f"{author} {count:,}" for author, count in found.by_author.most_common())
        self.screen.print(
            f"\n[bold]{name}'s news[/bold]: {found.by_author.total():,} events ({counts})"
        )
        rows = (
            (
                event["Timestamp"][11:19],
                event["Username"],
                event["EventType"].removeprefix("LINK_").lower(),
                event["Title"],
                event["Url"],
            )
            for event in found.latest
        )
        self.screen.print(terminal.table(COLUMNS, COLUMN_RATIOS, rows))

    def _show_summary(self, tally: Tally, load_seconds: float, wait_seconds: float) -> None:
        refused = sum(refusals.count for refusals in tally.refused.values())
        total = tally.added + tally.already_there + refused
        say = self.screen.print
        say(
            f"\nlinks added: {tally.added:,}, already there: {tally.already_there:,}, "
            f"refused: {refused:,}"
        )
        say(
            f"in {load_seconds:.1f} s over {CONNECTIONS} connections, "
            f"{total / load_seconds:,.0f} links/s"
        )
        for code, refusals in tally.refused.items():
            say(terminal.plain(f"  {code}: {refusals.count:,}, the first {refusals.example!r}"))
            say(terminal.plain(f"    {refusals.reason}"))
        if tally.added:
            say(f"everybody's news was complete {wait_seconds:.2f} s after the last answer")
        if tally.private:
            say(f"{tally.private:,} are private: nobody else sees them")


def _sign_in(names: list[str]) -> tuple[str, dict[str, str]]:
    """Return where the system is, and a token for everybody."""
    # eventlet 0.41.3, which nameko imports: nobody at a terminal can do anything about it.
    warnings.filterwarnings("ignore", message=r"\s*Eventlet is deprecated")
    from embedded.settings import Settings
    from embedded.sign_in import access_token

    settings = Settings(ROOT)
    tokens = {name: access_token(settings, name) for name in names}
    return str(settings.get("PUBLIC_URL")), tokens


def _read(arguments: argparse.Namespace) -> Iterator[bookmarks.Bookmark]:
    return islice(bookmarks.read(arguments.file), arguments.limit)


def _count(arguments: argparse.Namespace) -> int:
    """Read the file once before anything is changed: is it there, and how much is in it?"""
    try:
        total = sum(1 for _ in _read(arguments))
    except OSError as error:
        raise CannotStart(f"{arguments.file} cannot be read: {error.strerror}") from None
    if not total:
        raise CannotStart(f"there are no bookmarks in {arguments.file}")
    return total


def _between(least: int, most: int) -> Callable[[str], int]:
    """Return what turns an argument into a number within bounds."""

    def number(text: str) -> int:
        if text.isascii() and text.isdigit() and least <= int(text) <= most:
            return int(text)
        raise argparse.ArgumentTypeError(f"a number from {least:,} to {most:,} is wanted")

    return number


if __name__ == "__main__":
    sys.exit(main())
