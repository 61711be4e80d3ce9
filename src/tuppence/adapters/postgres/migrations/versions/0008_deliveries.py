"""Deliveries of what is new in feeds: see the .sql files of this name."""

from alembic import op

from tuppence.adapters.postgres.migrating import run_script

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add the table of deliveries."""
    run_script(op.get_bind(), __file__, "up")


def downgrade() -> None:
    """Drop the table of deliveries, with all that is in it."""
    run_script(op.get_bind(), __file__, "down")
