"""The index of views by night: see the .sql files of this name."""

from alembic import op

from tuppence.adapters.postgres.migrating import run_script

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Add the index."""
    run_script(op.get_bind(), __file__, "up")


def downgrade() -> None:
    """Drop the index."""
    run_script(op.get_bind(), __file__, "down")
