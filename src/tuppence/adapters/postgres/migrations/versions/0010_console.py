"""People who use the console: see the .sql files of this name."""

from alembic import op

from tuppence.adapters.postgres.migrating import run_script

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Create the tables of the console."""
    run_script(op.get_bind(), __file__, "up")


def downgrade() -> None:
    """Drop them."""
    run_script(op.get_bind(), __file__, "down")
