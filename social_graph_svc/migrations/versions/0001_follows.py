"""Who follows whom, each follower's count of changes, and the outbox of their events."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_USERNAME = sa.String(64, collation="C")
_MOMENT = sa.DateTime(timezone=True)
# Rows that live for milliseconds, or are updated all the time: clean up by count, not by share.
_BUSY = "SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000)"


def upgrade() -> None:
    _create_follows()
    _create_outbox()


def downgrade() -> None:
    for table in ("outbox_lease", "outbox", "follow_versions", "follows"):
        op.drop_table(table)


def _create_follows() -> None:
    op.create_table(
        "follows",
        sa.Column("follower", _USERNAME, primary_key=True),
        sa.Column("followed", _USERNAME, primary_key=True),
        sa.Column("created_at", _MOMENT, nullable=False, server_default=sa.text("now()")),
        sa.CheckConstraint("follower <> followed", name="follows_not_oneself"),
    )
    op.create_index("follows_followed_follower_idx", "follows", ["followed", "follower"])
    op.create_table(
        "follow_versions",
        sa.Column("follower", _USERNAME, primary_key=True),
        sa.Column("version", sa.BigInteger, nullable=False),
    )
    # With room on its page, a row's new version stays beside the old: no index is touched.
    op.execute("ALTER TABLE follow_versions SET (fillfactor = 50)")


def _create_outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("event_id", sa.UUID, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("time", _MOMENT, nullable=False, server_default=sa.text("clock_timestamp()")),
        sa.Column("data", postgresql.JSONB, nullable=False),
    )
    op.create_table(
        "outbox_lease",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("holder", sa.Text, nullable=False),
        sa.Column("expires_at", _MOMENT, nullable=False),
    )
    op.execute(f"ALTER TABLE outbox {_BUSY}")
    op.execute(f"ALTER TABLE outbox_lease {_BUSY}")
