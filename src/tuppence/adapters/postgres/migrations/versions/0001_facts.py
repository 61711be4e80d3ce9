"""Customers, consents, accounts and transactions: see the .sql files of this name."""

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    statements = Path(__file__).with_suffix(".up.sql").read_text("utf-8")
    op.get_bind().connection.cursor().execute(statements)


def downgrade() -> None:
    """Drop them, and what is in them."""
    statements = Path(__file__).with_suffix(".down.sql").read_text("utf-8")
    op.get_bind().connection.cursor().execute(statements)
