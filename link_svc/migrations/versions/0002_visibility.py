"""Links that are private or public, how many of each, and what a link is by default.

Built while the release before goes on writing: no lock is kept for as long as a table is read.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_VISIBILITY = sa.text("'followers'")
_KNOWN = "IN ('private', 'followers', 'public')"
_INDEXES = {
    "links_owner_visibility_idx": ("links", ["owner", "visibility", "created_at", "id"]),
    "link_tags_visibility_idx": (
        "link_tags",
        ["owner", "tag", "visibility", "created_at", "link_id"],
    ),
}


def upgrade() -> None:
    _let_links_be(_KNOWN)
    for name in ("private_count", "public_count"):
        column = sa.Column(name, sa.Integer, nullable=False, server_default=sa.text("0"))
        op.add_column("owners", column)
    _add_visibility("owners", "default_visibility")
    _add_visibility("link_tags", "visibility")
    op.execute(
        "ALTER TABLE owners ADD CONSTRAINT owners_counts CHECK (private_count >= 0"
        " AND public_count >= 0 AND private_count + public_count <= link_count) NOT VALID"
    )
    with op.get_context().autocommit_block():
        _take_up()
        for table, constraint in (
            ("links", "links_visibility"),
            ("owners", "owners_default_visibility"),
            ("owners", "owners_counts"),
            ("link_tags", "link_tags_visibility"),
        ):
            op.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT {constraint}")
        for name, (table, columns) in _INDEXES.items():
            op.drop_index(name, table, postgresql_concurrently=True, if_exists=True)
            op.create_index(name, table, columns, postgresql_concurrently=True)


def downgrade() -> None:
    """Go back; links that are not for followers stay, and the release before refuses them."""
    for name, (table, _) in _INDEXES.items():
        op.drop_index(name, table)
    op.drop_column("link_tags", "visibility")
    op.drop_constraint("owners_counts", "owners")
    for name in ("default_visibility", "public_count", "private_count"):
        op.drop_column("owners", name)
    _let_links_be("IN ('followers')")


def _let_links_be(known: str) -> None:
    op.drop_constraint("links_visibility", "links")
    op.execute(
        f"ALTER TABLE links ADD CONSTRAINT links_visibility CHECK (visibility {known}) NOT VALID"
    )


def _add_visibility(table: str, name: str) -> None:
    op.add_column(table, sa.Column(name, sa.Text, nullable=False, server_default=_VISIBILITY))
    op.execute(
        f"ALTER TABLE {table} ADD CONSTRAINT {table}_{name} CHECK ({name} {_KNOWN}) NOT VALID"
    )


def _take_up() -> None:
    """Count what a downgrade has left behind; the first time, all links are for followers."""
    op.execute(
        "UPDATE link_tags SET visibility = links.visibility FROM links"
        " WHERE links.id = link_id AND links.visibility <> 'followers'"
    )
    op.execute(
        "UPDATE owners SET private_count = found.private, public_count = found.public"
        " FROM (SELECT owner, count(*) FILTER (WHERE visibility = 'private') AS private,"
        " count(*) FILTER (WHERE visibility = 'public') AS public FROM links"
        " WHERE visibility <> 'followers' GROUP BY owner) AS found"
        " WHERE owners.owner = found.owner"
    )
