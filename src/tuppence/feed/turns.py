"""Turns: an insight is shown until it expires, rests, and is shown again if it still qualifies."""

from tuppence.rules.rule import Rule


def turn_of(rule: Rule, since: int, day: int) -> int:
    """Return the first day of the turn that a day belongs to.

    An insight without a cooldown has one turn, which begins when it qualifies.

    Args:
        rule: The rule of the insight.
        since: The day since which it qualifies, in days since 1970-01-01.
        day: The day.
    """
    if rule.cooldown_days == 0:
        return since
    length = rule.expires_after_days + rule.cooldown_days
    return since + (day - since) // length * length


def is_due(rule: Rule, days: int) -> bool:
    """Return whether an insight is shown on a given day after it qualified.

    It is shown until it expires. After its cooldown it is shown again if it still qualifies, but
    not without a cooldown.

    Args:
        rule: The rule of the insight.
        days: Number of days since it qualified.
    """
    return 0 <= days - turn_of(rule, 0, days) < rule.expires_after_days


def variant_index(rule: Rule, since: int, day: int) -> int:
    """Return the index of the wording to show, which grows by one after each cooldown.

    It starts from the day since which the rule qualifies, so that an insight that qualifies
    from time to time does not always have the same wording. Use the index modulo the
    number of wordings.
    """
    return since + (day - since) // (rule.expires_after_days + rule.cooldown_days)
