"""``make dead-letters``: show the events that could not be handled, or have them handled again.

The service whose consumer gave an event up handles it again, in its old place in the stream: its
method ``replay_<stream>(sequence, body)``, which may be repeated. Then the letter is deleted.
"""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path

from nameko import config
from nameko.cli.utils.config import setup_config
from nameko.exceptions import MethodNotFound, RemoteError, UnknownService
from nameko.standalone.rpc import ClusterRpcClient

from chassis import streams
from chassis.errors import NotFound, ServiceError
from chassis.events.letters import STREAM, DeadLetter
from chassis.streams import reads
from chassis.streams.reads import Stored

_SECONDS = 5.0
_REPLAY_SECONDS = 30.0  # an author may have very many followers
_PAGE = 20  # each may have a megabyte


def main(words: Sequence[str] | None = None) -> int:
    """Do what the command line says, or these words; return the exit status."""
    arguments = _arguments(words)
    with arguments.config.open("rb") as file:
        setup_config(file)
    config["RPC_TIMEOUT_SECONDS"] = _REPLAY_SECONDS
    commands = {"list": _list, "show": _show, "replay": _replay}
    try:
        return commands[arguments.command](arguments)
    except ServiceError as error:
        print(error, file=sys.stderr)
        return 1


def _arguments(words: Sequence[str] | None) -> Namespace:
    parser = ArgumentParser(
        prog="python -m chassis.dead_letters",
        description="Show events that could not be handled, or have them handled again.",
    )
    anywhere = ArgumentParser(add_help=False)
    anywhere.add_argument("--config", type=Path, default=Path("config.yaml"))
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", parents=[anywhere], help="name each, and why it is here")
    show = commands.add_parser("show", parents=[anywhere], help="print one with its body")
    show.add_argument("letter", type=int, help="its number in the list")
    replay = commands.add_parser(
        "replay", parents=[anywhere], help="have one handled again in its old place, or all"
    )
    replay.add_argument("letter", type=_number_or_all, help="its number in the list, or 'all'")
    return parser.parse_args(words)


def _number_or_all(text: str) -> int | None:
    return None if text == "all" else int(text)


def _list(arguments: Namespace) -> int:
    empty = True
    for stored in _letters():
        print(_line(stored))
        empty = False
    if empty:
        print("There are no dead letters.")
    return 0


def _show(arguments: Namespace) -> int:
    stored = _letter(arguments.letter)
    letter = DeadLetter.of(stored)
    print(_line(stored))
    if letter.cut:
        print(f"Too large to be kept whole: this is its beginning; all of it is in {letter.stream}")
    # What a stranger wrote must not speak to the terminal.
    print(letter.body.decode("ascii", "backslashreplace").translate(_VISIBLE))
    return 0


_VISIBLE = {code: f"\\x{code:02x}" for code in (*range(9), *range(11, 32), 127)}


def _replay(arguments: Namespace) -> int:
    found = _letters() if arguments.letter is None else iter([_letter(arguments.letter)])
    done = left = 0
    with ClusterRpcClient() as services:
        for stored in found:
            trouble = _handle(services, DeadLetter.of(stored))
            if trouble:
                left += 1
                print(f"{_line(stored)}\n  stays: {trouble}", flush=True)
            else:
                streams.delete(STREAM, stored.sequence, _SECONDS)
                done += 1
    print(f"{done} handled, {left} left")
    return 1 if left else 0


def _handle(services: ClusterRpcClient, letter: DeadLetter) -> str:
    """Have an event handled; return what prevents it."""
    if not letter.service or not letter.sequence:
        return "it does not say whose it is"
    if letter.cut:
        return "it is too large to be handled"
    method = f"replay_{letter.stream.replace('-', '_')}"
    try:
        body = letter.body.decode()
        services[letter.service][method](letter.sequence, body)
    except UnicodeDecodeError:
        return "it is not text"
    except UnknownService:
        return f"{letter.service} does not run"
    except MethodNotFound:
        return f"{letter.service} has no method {method}"
    except (RemoteError, ServiceError) as error:
        return str(error)
    return ""


def _letters() -> Iterator[Stored]:
    if not reads.exists(STREAM, _SECONDS):
        return
    last = 0
    while page := reads.after(STREAM, last, _PAGE, _SECONDS):
        yield from page
        last = page[-1].sequence


def _letter(number: int) -> Stored:
    if reads.exists(STREAM, _SECONDS):
        for stored in reads.after(STREAM, number - 1, 1, _SECONDS):
            if stored.sequence == number:
                return stored
    raise NotFound("no_such_letter", f"There is no dead letter {number}.")


def _line(stored: Stored) -> str:
    letter = DeadLetter.of(stored)
    place = f"{letter.stream}.{letter.durable} {letter.sequence or '?'}"
    return f"{stored.sequence}  {stored.time}  {place}  {letter.reason or 'no reason given'}"


if __name__ == "__main__":
    sys.exit(main())
