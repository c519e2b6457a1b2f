"""Sign-ins that have let somebody in, so that they let nobody in again."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "used_tickets",
        sa.Column("ticket", sa.LargeBinary, primary_key=True),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("used_tickets_used_at_idx", "used_tickets", ["used_at"])


def downgrade() -> None:
    op.drop_table("used_tickets")
