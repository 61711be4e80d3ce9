"""Selects and ranks the insights that a customer sees."""

from collections.abc import Iterable, Mapping
from decimal import Decimal

from tuppence.results.result import Result, State
from tuppence.rules.rule import Rule


def rank(
    results: Iterable[Result], rules: Mapping[str, Rule], as_of: int, limit: int
) -> list[Result]:
    """Return the qualified results that are due, by falling score, at most one of each topic.

    Results of equal score are in the order of their rules' identifiers.

    Args:
        results: Results of one customer.
        rules: Rules by identifier; results of other rules are left out.
        as_of: The day on which they are shown, in days since 1970-01-01.
        limit: Maximum number of results.
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


def variant_index(rule: Rule, since: int, as_of: int) -> int:
    """Return the index of the wording to show, which grows by one after each cooldown.

    It starts from the day since which the rule qualifies, so that an insight that qualifies
    from time to time does not always have the same wording. Use the index modulo the
    number of wordings.
    """
    return since + (as_of - since) // (rule.expires_after_days + rule.cooldown_days)


def is_due(rule: Rule, days: int) -> bool:
    """Return whether an insight is shown on a given day after it qualified.

    It is shown until it expires. After its cooldown it is shown again if it still qualifies, but
    not without a cooldown.

    Args:
        rule: The rule of the insight.
        days: Number of days since it qualified.
    """
    if rule.cooldown_days == 0:
        return days < rule.expires_after_days
    return days % (rule.expires_after_days + rule.cooldown_days) < rule.expires_after_days
