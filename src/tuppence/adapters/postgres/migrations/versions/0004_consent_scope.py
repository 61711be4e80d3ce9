"""Purposes and scopes of consents, and the rule of identifiers: see the .sql files of this name."""

from alembic import op

from tuppence.adapters.postgres.migrating import run_script

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make scopes lists, and decide by them."""
    run_script(op.get_bind(), __file__, "up")


def downgrade() -> None:
    """Make scopes texts, and decide by dates alone."""
    run_script(op.get_bind(), __file__, "down")
