"""Imports of files, and the files until they are imported."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_NAME = sa.Text(collation="C")
_MOMENT = sa.DateTime(timezone=True)
_OPEN = "state IN ('receiving', 'waiting', 'running')"


def upgrade() -> None:
    counts = ("pieces", "done", "added", "updated", "skipped", "failed")
    op.create_table(
        "imports",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("owner", _NAME, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("update_existing", sa.Boolean, nullable=False),
        sa.Column("visibility", sa.Text, nullable=False),
        *(sa.Column(name, sa.Integer, nullable=False, server_default="0") for name in counts),
        sa.Column("total", sa.Integer),
        sa.Column("errors", postgresql.JSONB, nullable=False, server_default=sa.text("'[]'")),
        sa.Column("created_at", _MOMENT, nullable=False, server_default=sa.func.now()),
        sa.Column("changed_at", _MOMENT, nullable=False, server_default=sa.func.now()),
        sa.Column("holder", sa.Text, nullable=False, server_default=""),
        sa.Column("held_until", _MOMENT, nullable=False, server_default=sa.func.now()),
        sa.CheckConstraint(
            f"{_OPEN} OR state IN ('done', 'cancelled', 'failed')", name="imports_state"
        ),
    )
    op.create_index("imports_owner_idx", "imports", ["owner", "created_at"])
    # One at a time for each person; and the few among which to look for work.
    op.create_index(
        "imports_open_key", "imports", ["owner"], unique=True, postgresql_where=sa.text(_OPEN)
    )
    op.create_table(
        "import_pieces",
        sa.Column(
            "import_id", sa.Uuid, sa.ForeignKey("imports.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )


def downgrade() -> None:
    for table in ("import_pieces", "imports"):
        op.drop_table(table)
