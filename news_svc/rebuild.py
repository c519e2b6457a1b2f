"""``make rebuild-feeds``: throw all feeds away, and have a running news_svc make them anew.

A feed needs no command: it is made when it is next read. This is for whoever wants all of them
now: those of everybody who has ever followed somebody, as the log of follow events knows them.
"""

import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable
from functools import partial
from pathlib import Path

from nameko.cli.utils.config import setup_config
from nameko.exceptions import UnknownService
from nameko.standalone.rpc import ServiceRpcClient

from chassis.errors import ServiceError, Unavailable
from chassis.streams import reads

_SECONDS = 10.0
_AGAIN_SECONDS = 0.5
_GIVE_UP_SECONDS = 60.0


def main() -> int:
    """Rebuild; return the exit status."""
    parser = ArgumentParser(prog="python -m news_svc.rebuild", description="Rebuild all feeds.")
    parser.add_argument("--config", type=Path, default=Path("config.yaml"))
    with parser.parse_args().config.open("rb") as file:
        setup_config(file)
    try:
        with ServiceRpcClient("news_svc") as news:
            _insist(news.forget_feeds)
            print("All feeds are thrown away; one that is read now is made at once.", flush=True)
            _make_all(news)
    except UnknownService:
        print("news_svc does not run: start the system first.", file=sys.stderr)
        return 1
    except ServiceError as error:
        print(f"Not all feeds are rebuilt: {error}", file=sys.stderr)
        return 1
    return 0


def _make_all(news: ServiceRpcClient) -> None:
    subjects = reads.subjects("follow-events", _SECONDS)
    began = shown = time.monotonic()
    for number, subject in enumerate(subjects, 1):
        _insist(partial(news.rebuild_feed, subject.partition(".")[2]))
        if time.monotonic() - shown > 1:
            shown = time.monotonic()
            print(f"{number} of {len(subjects)} feeds", flush=True)
    print(f"{len(subjects)} feeds are rebuilt, in {time.monotonic() - began:.1f} s.")


def _insist(call: Callable[[], None]) -> None:
    """Call until it is done; a feed that takes long goes on while we ask again."""
    give_up = time.monotonic() + _GIVE_UP_SECONDS
    while True:
        try:
            return call()
        except Unavailable:
            if time.monotonic() > give_up:
                raise
            time.sleep(_AGAIN_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
