"""What the ``env.py`` of every service's migrations does: one URI, short locks, one at a time."""

import time
from pathlib import Path

from alembic import context
from nameko.cli.utils.config import setup_config
from sqlalchemy import Connection, MetaData, NullPool, create_engine, text

from chassis.database.postgres import database_url

# A migration that waits for a lock makes everyone behind it wait too: better give up and try again.
_LOCK_TIMEOUT = text("SET lock_timeout = '3s'")
_ONE_AT_A_TIME = text("SELECT pg_try_advisory_lock(hashtext('migrations'))")
_AGAIN_SECONDS = 0.2


def run(service: str, metadata: MetaData) -> None:
    """Run the migrations that alembic asks for, as the role that owns the tables.

    The address (DB_OWNER_URIS) comes from config.yaml in the working directory, or from the file
    given as ``alembic -x config=FILE``. With ``--sql`` nothing is connected and the statements are
    printed.
    """
    path = Path(context.get_x_argument(as_dictionary=True).get("config", "config.yaml"))
    with path.open("rb") as file:
        setup_config(file)
    url = database_url(service, addresses="DB_OWNER_URIS")
    if context.is_offline_mode():
        context.configure(url=url, target_metadata=metadata, literal_binds=True)
        context.run_migrations()
        return
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        _run_on(connection, metadata)


def _run_on(connection: Connection, metadata: MetaData) -> None:
    # Two replicas that start together must not migrate together; the lock ends with the connection.
    # Asked for again and again: CREATE INDEX CONCURRENTLY waits for whoever waits in a statement.
    while not connection.scalar(_ONE_AT_A_TIME):
        connection.rollback()
        time.sleep(_AGAIN_SECONDS)
    connection.execute(_LOCK_TIMEOUT)
    connection.commit()
    context.configure(
        connection=connection,
        target_metadata=metadata,
        compare_type=True,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()
