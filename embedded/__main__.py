"""``python -m embedded run`` and ``python -m embedded token NAME``."""

import argparse
import os
import sys
from pathlib import Path

from embedded.errors import CannotStart

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Do what the command line says, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m embedded", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="run the whole system on this machine")
    run.add_argument(
        "--with-parent", action="store_true", help="stop when the calling process has gone"
    )
    token = commands.add_parser("token", help="print an access token (development)")
    token.add_argument("name", help="who signs in")
    arguments = parser.parse_args()
    os.chdir(ROOT)
    try:
        return _token(arguments.name) if arguments.command == "token" else _run(arguments)
    except CannotStart as error:
        print(error, file=sys.stderr)
        return 1


def _run(arguments: argparse.Namespace) -> int:
    from embedded.settings import Settings
    from embedded.system import System

    System(Settings(ROOT), with_parent=arguments.with_parent).run()
    return 0


def _token(name: str) -> int:
    from embedded.settings import Settings
    from embedded.sign_in import access_token

    print(access_token(Settings(ROOT), name))
    return 0


if __name__ == "__main__":
    sys.exit(main())
