"""Definitions, publications and the audit log: see the .sql files of this name."""

from alembic import op

from tuppence.adapters.postgres.migrating import run_script

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make them."""
    run_script(op.get_bind(), __file__, "up")


def downgrade() -> None:
    """Drop them, and what is in them."""
    run_script(op.get_bind(), __file__, "down")
