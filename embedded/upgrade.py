"""``python -m embedded.upgrade SERVICE...``: ``alembic upgrade head`` for each, in one process."""

import sys
import traceback

from alembic import command
from alembic.config import Config


def main(services: list[str]) -> int:
    """Upgrade the databases in turn; the last line says what is wrong with the first that fails."""
    for service in services:
        try:
            command.upgrade(Config(f"{service}/alembic.ini"), "head")
        except Exception as error:
            traceback.print_exc()
            last = str(error).strip().rpartition("\n")[2]
            print(f"the migration of {service}'s database failed: {last}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
