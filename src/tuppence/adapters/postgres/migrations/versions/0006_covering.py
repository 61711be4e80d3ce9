"""Keeps each customer's transactions together in an index: see the .sql files."""

from alembic import op

from tuppence.adapters.postgres.migrating import run_script

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Build an index that answers a customer's transactions from few pages."""
    run_script(op.get_bind(), __file__, "up")


def downgrade() -> None:
    """Drop the index; transactions are read from the table again."""
    run_script(op.get_bind(), __file__, "down")
