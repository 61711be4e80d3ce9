"""Checks how the effect of a draft is counted."""

import dataclasses

import msgspec
from tests.building import day, some_rules

from tuppence.feel.values import Date
from tuppence.services.console.trying import in_force_always


def test_dates_do_not_hide_the_effect_of_a_rule_from_a_review() -> None:
    for name in ("week_in_review", "offer_coffee"):
        (checked,) = some_rules(name).rules
        rule = msgspec.structs.replace(
            checked.rule, valid_from="2031-01-01", valid_until="2031-02-01"
        )
        if rule.approval is not None:
            later = msgspec.structs.replace(rule.approval, date="2031-01-01", until="2031-01-02")
            rule = msgspec.structs.replace(rule, approval=later)
        scheduled = dataclasses.replace(checked, rule=rule)
        today = Date(day("2026-06-30"))
        assert not scheduled.rule.in_force(today)
        assert in_force_always(scheduled).rule.in_force(today)
        assert in_force_always(scheduled).rule.when == rule.when
