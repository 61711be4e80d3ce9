"""The results of evaluations: see the .sql files of this name."""

from alembic import op

from tuppence.adapters.postgres.migrating import run_script

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Add the tables."""
    run_script(op.get_bind(), __file__, "up")


def downgrade() -> None:
    """Drop the tables."""
    run_script(op.get_bind(), __file__, "down")
