"""``python -m embedded.upgrade``: ``alembic upgrade head`` for each service named on its stdin.

So it can import what it needs, which takes longer than the rest, before it knows what to do.
"""

import sys
import traceback

# What the services' migrations will need.
import nameko.cli  # noqa: F401
import nameko_sqlalchemy  # noqa: F401
import sqlalchemy.dialects.postgresql.psycopg2  # noqa: F401
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
    sys.exit(main(sys.stdin.read().split()))
