"""The memory of feeds, and withdrawn rules: see the .sql files of this name."""

from alembic import op

from tuppence.adapters.postgres.migrating import run_script

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add the tables of feeds, and the role of the service that writes them."""
    run_script(op.get_bind(), __file__, "up")


def downgrade() -> None:
    """Drop the tables of feeds, with all that is in them."""
    run_script(op.get_bind(), __file__, "down")
