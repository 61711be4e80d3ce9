"""Identities decide on approvals, and functions pin their search path: see the .sql files."""

from alembic import op

from tuppence.adapters.postgres.migrating import run_script

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Record who somebody is, and let identities decide instead of names."""
    run_script(op.get_bind(), __file__, "up")


def downgrade() -> None:
    """Go back to names; identities and digests are dropped."""
    run_script(op.get_bind(), __file__, "down")
