"""Inferred fields of transactions, and the scope of consents: see the .sql files of this name."""

from alembic import op

from tuppence.adapters.postgres.migrating import run_script

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the columns."""
    run_script(op.get_bind(), __file__, "up")


def downgrade() -> None:
    """Drop them, and what is in them."""
    run_script(op.get_bind(), __file__, "down")
