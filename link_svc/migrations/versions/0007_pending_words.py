"""New words of links are put into their index some at a time."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER INDEX links_words_idx SET (fastupdate = on, gin_pending_list_limit = 128)")


def downgrade() -> None:
    op.execute("ALTER INDEX links_words_idx RESET (gin_pending_list_limit)")
    op.execute("ALTER INDEX links_words_idx SET (fastupdate = off)")
