"""Kinds, names and scopes of tokens; removals of users, and the outbox of their events."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)
# Rows that live for milliseconds, or are updated all the time: clean up by count, not by share.
_BUSY = "SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000)"


def upgrade() -> None:
    _extend_tokens()
    _create_removals()
    _create_outbox()


def downgrade() -> None:
    for table in ("outbox_lease", "outbox", "removals"):
        op.drop_table(table)
    # To the release before, every token is a session.
    op.execute("DELETE FROM access_tokens WHERE kind <> 'session'")
    for column in ("scopes", "name", "kind", "id"):
        op.drop_column("access_tokens", column)


def _extend_tokens() -> None:
    """Add columns with the values of a session, which is all that the release before makes."""
    new: tuple[sa.Column[Any], ...] = (
        sa.Column("id", sa.Uuid, server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("kind", sa.Text, server_default=sa.text("'session'"), nullable=False),
        sa.Column("name", sa.Text, server_default=sa.text("''"), nullable=False),
        sa.Column(
            "scopes",
            sa.ARRAY(sa.Text),
            server_default=sa.text("'{read,write,account}'"),
            nullable=False,
        ),
    )
    for column in new:
        op.add_column("access_tokens", column)
    op.create_index("access_tokens_id_key", "access_tokens", ["id"], unique=True)
    for name, rule in (
        ("kind", "kind IN ('session', 'personal')"),
        ("name", "char_length(name) <= 100"),
        ("scopes", "scopes <@ '{read,write,account}' AND cardinality(scopes) > 0"),
        ("personal", "kind = 'session' OR NOT 'account' = ANY (scopes)"),
    ):
        op.create_check_constraint(f"access_tokens_{name}", "access_tokens", rule)


def _create_removals() -> None:
    op.create_table(
        "removals",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column(
            "user_id", sa.BigInteger, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("removed_at", _MOMENT, nullable=False),
        sa.Column("told_at", _MOMENT, nullable=False),
        sa.Column("left_services", sa.ARRAY(sa.Text), nullable=False),
    )
    op.create_index("removals_user_id_key", "removals", ["user_id"], unique=True)


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
