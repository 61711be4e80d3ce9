"""Test customers inside rules."""

import msgspec
import yaml

from tuppence.engine.rule_tests import try_examples
from tuppence.facts.schema import Schema
from tuppence.rules.checking import check_rule
from tuppence.rules.domain import load_definitions
from tuppence.rules.rule import Rule

RULE = """
id: a
kind: tip
title: A
when: total(payments.amount) > 50 and (count(accounts) > 3 or customer.household size = 2)
score: "40"
message: {title: A, body: A}
tests:
  - {name: pays, expect: not_qualified, customer: {household size: 2},
     transactions: [{days ago: 3, amount: -60}]}
  - {name: as expected, expect: not_qualified}
"""


def test_a_failed_test_customer_shows_the_values_of_the_condition() -> None:
    rule = msgspec.convert(yaml.safe_load(RULE), Rule, strict=False)
    checked, findings = check_rule(rule, Schema(), load_definitions())
    assert [one for one in findings if not one.diagnostic.warning] == []
    failed, passed = try_examples(checked, Schema())
    assert failed.failures == (
        "expected not_qualified, and it is qualified",
        "true: total(payments.amount) > 50",
        "    total(payments.amount) is 60.00",
        "false: count(accounts) > 3",
        "    count(accounts) is 1",
        "true: customer.household size = 2",
        "    customer.household size is 2",
    )
    assert passed.failures == ()
