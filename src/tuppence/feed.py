"""Which insights a customer sees, and in what order."""

from collections.abc import Iterable, Mapping
from decimal import Decimal

from tuppence.results.result import Result, State
from tuppence.rules.rule import Rule


def rank(
    results: Iterable[Result], rules: Mapping[str, Rule], as_of: int, limit: int
) -> list[Result]:
    """The qualified results that are due, the most relevant first; ties by rule; one of a topic.

    Args:
        results: Of one customer.
        rules: By identifier; results of other rules are left out.
        as_of: The day on which they are shown, in days since 1970-01-01.
        limit: How many at most.
    """
    due = [
        result
        for result in results
        if result.state is State.QUALIFIED
        and result.rule_id in rules
        and is_due(rules[result.rule_id], as_of - result.since)
    ]
    due.sort(key=lambda result: (-(result.score or Decimal(0)), result.rule_id))
    shown: dict[str, Result] = {}
    for result in due:
        shown.setdefault(rules[result.rule_id].topic or f"rule {result.rule_id}", result)
    return list(shown.values())[:limit]


def turn(rule: Rule, since: int, as_of: int) -> int:
    """Which time it is that a customer sees an insight: another one after each rest.

    It begins with the day since which it qualifies, so that an insight that comes and goes with
    what it tells is not always worded the same.
    """
    return since + (as_of - since) // (rule.expires_after_days + rule.cooldown_days)


def is_due(rule: Rule, days: int) -> bool:
    """Whether a rule's insight is shown so many days after it qualified.

    It is shown until it expires, then rests for its cooldown, and then, where it still qualifies,
    begins again. Without a cooldown it does not come back.
    """
    if rule.cooldown_days == 0:
        return days < rule.expires_after_days
    return days % (rule.expires_after_days + rule.cooldown_days) < rule.expires_after_days
