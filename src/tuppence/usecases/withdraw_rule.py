"""Withdraws a rule from all feeds, or restores it."""

from tuppence.errors import UserError
from tuppence.usecases.feed_ports import FeedStore, People, Withdrawal


def withdraw_rule(people: People, store: FeedStore, withdrawal: Withdrawal) -> None:
    """Withdraw a rule from all feeds at once, or restore it.

    Args:
        people: The customers, who have results of rules.
        store: Keeps the withdrawal.
        withdrawal: The withdrawal.

    Raises:
        UserError: `rule.unknown`: no ruleset has such a rule, and none was withdrawn.
    """
    name = withdrawal.rule_id
    if not people.has_rule(name) and all(one.rule_id != name for one in store.withdrawals()):
        message = f"there is no rule {name} in any ruleset that is kept"
        raise UserError("rule.unknown", message, "the items of a feed begin with names of rules")
    store.withdraw(withdrawal)
