"""Retention of events and views of feeds: see the .sql files of this name."""

from alembic import op

from tuppence.adapters.postgres.migrating import run_script

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add the function that removes what is old."""
    run_script(op.get_bind(), __file__, "up")


def downgrade() -> None:
    """Drop the function."""
    run_script(op.get_bind(), __file__, "down")
