"""Who has blocked whom."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_USERNAME = sa.String(64, collation="C")
_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "blocks",
        sa.Column("blocker", _USERNAME, primary_key=True),
        sa.Column("blocked", _USERNAME, primary_key=True),
        sa.Column("created_at", _MOMENT, nullable=False, server_default=sa.text("now()")),
        sa.CheckConstraint("blocker <> blocked", name="blocks_not_oneself"),
    )
    op.create_index("blocks_blocked_blocker_idx", "blocks", ["blocked", "blocker"])


def downgrade() -> None:
    op.drop_table("blocks")
