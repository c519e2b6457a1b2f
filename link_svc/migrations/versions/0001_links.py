"""Links, their tags, their owners' counters, and the outbox of their events.

The checks repeat the limits of link_svc.domain.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_NAME = sa.Text(collation="C")
_MOMENT = sa.DateTime(timezone=True)
# Rows that live for milliseconds, or are updated all the time: clean up by count, not by share.
_BUSY = "SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000)"


def upgrade() -> None:
    _create_owners()
    _create_links()
    _create_link_tags()
    _create_outbox()


def downgrade() -> None:
    for table in ("outbox_lease", "outbox", "link_tags", "links", "owners"):
        op.drop_table(table)


def _create_owners() -> None:
    op.create_table(
        "owners",
        sa.Column("owner", _NAME, primary_key=True),
        sa.Column("link_count", sa.Integer, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("changed_at", _MOMENT, nullable=False),
        sa.CheckConstraint("owner ~ '^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$'", name="owners_owner"),
        sa.CheckConstraint("link_count >= 0", name="owners_link_count"),
    )
    # With room on its page, a row's new version stays beside the old: no index is touched.
    op.execute("ALTER TABLE owners SET (fillfactor = 50)")
    op.execute(f"ALTER TABLE owners {_BUSY}")


def _create_links() -> None:
    op.create_table(
        "links",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("owner", _NAME, nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("tags", sa.ARRAY(sa.Text), nullable=False),
        sa.Column("status", sa.Text, nullable=False, server_default=sa.text("'pending'")),
        sa.Column("visibility", sa.Text, nullable=False, server_default=sa.text("'followers'")),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("updated_at", _MOMENT, nullable=False),
        sa.CheckConstraint("char_length(url) BETWEEN 1 AND 2048", name="links_url"),
        sa.CheckConstraint("char_length(title) BETWEEN 1 AND 512", name="links_title"),
        sa.CheckConstraint("char_length(description) <= 4096", name="links_description"),
        sa.CheckConstraint("cardinality(tags) <= 32", name="links_tags"),
        sa.CheckConstraint("status IN ('pending', 'valid', 'invalid')", name="links_status"),
        sa.CheckConstraint("visibility IN ('followers')", name="links_visibility"),
    )
    # One row for each owner and exact URL. The URL itself cannot be the key: 2,048 characters may
    # be 8 kB of UTF-8, and a B-tree takes no key above 2.7 kB. Two URLs with one digest can only
    # be made on purpose, and whoever makes them is refused the second in their own collection.
    op.create_index("links_owner_url_key", "links", ["owner", sa.text("md5(url)")], unique=True)
    op.create_index("links_owner_created_at_idx", "links", ["owner", "created_at", "id"])


def _create_link_tags() -> None:
    op.create_table(
        "link_tags",
        sa.Column("owner", _NAME, primary_key=True),
        sa.Column("tag", _NAME, primary_key=True),
        sa.Column("created_at", _MOMENT, primary_key=True),
        sa.Column(
            "link_id",
            sa.BigInteger,
            sa.ForeignKey("links.id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.CheckConstraint("char_length(tag) BETWEEN 1 AND 64", name="link_tags_tag"),
    )
    op.create_index("link_tags_link_id_idx", "link_tags", ["link_id"])


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
