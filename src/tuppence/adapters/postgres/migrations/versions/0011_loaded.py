"""The parts of stores that were loaded: see the .sql files of this name."""

from alembic import op

from tuppence.adapters.postgres.migrating import run_script

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Add the table of loaded parts."""
    run_script(op.get_bind(), __file__, "up")


def downgrade() -> None:
    """Drop the table."""
    run_script(op.get_bind(), __file__, "down")
