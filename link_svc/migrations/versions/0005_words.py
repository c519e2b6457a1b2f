"""The words of links, for searches.

Nothing is filled in here: link_svc does that while it runs, also after a release that knows of no
words (see link_svc/search/filling.py). So no lock is kept for as long as a table is read.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_INDEXES: dict[str, Any] = {
    # Without a list of what is pending, which each search would have to read.
    "links_words_idx": {
        "columns": ["words"],
        "postgresql_using": "gin",
        "postgresql_with": {"fastupdate": "off"},
    },
    "links_without_words_idx": {
        "columns": ["id"],
        "postgresql_where": sa.text("words_at IS DISTINCT FROM updated_at"),
    },
}


def upgrade() -> None:
    op.add_column("links", sa.Column("words", postgresql.TSVECTOR))
    op.add_column("links", sa.Column("words_at", sa.DateTime(timezone=True)))
    # The planner must hear of a collection that was imported soon after.
    op.execute("ALTER TABLE links SET (autovacuum_analyze_scale_factor = 0.02)")
    with op.get_context().autocommit_block():
        for name, options in _INDEXES.items():
            op.drop_index(name, "links", postgresql_concurrently=True, if_exists=True)
            op.create_index(name, "links", postgresql_concurrently=True, **options)


def downgrade() -> None:
    for name in _INDEXES:
        op.drop_index(name, "links")
    op.execute("ALTER TABLE links RESET (autovacuum_analyze_scale_factor)")
    op.drop_column("links", "words_at")
    op.drop_column("links", "words")
