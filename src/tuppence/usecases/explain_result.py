"""Explains one result of a store: why a rule came out for a customer as it did."""

from typing import NamedTuple

from tuppence.compiled import interpreted
from tuppence.engine.explanation import Explanation, explain
from tuppence.errors import UserError
from tuppence.facts.consent import Use
from tuppence.feel.values import Date
from tuppence.rules.checking import CheckedRule
from tuppence.rules.ruleset import check_stored
from tuppence.usecases.customer_store import EvaluatedStore, last_evaluation


class ExplainedResult(NamedTuple):
    """A result with its reasons.

    Attributes:
        customer: Name of the customer in the store.
        as_of: The date that the rule took for today.
        checked: The rule, as the last run had it.
        explanation: The clauses of the rule, their values, and what counted.
    """

    customer: str
    as_of: Date
    checked: CheckedRule
    explanation: Explanation


def explain_result(
    store: EvaluatedStore, customer: str, rule_id: str, purposes: frozenset[str], today: Date
) -> ExplainedResult:
    """Evaluate a rule of the last run for a customer again, with every value written down.

    Args:
        store: The store of the customer.
        customer: Identifier of the customer.
        rule_id: Identifier of the rule.
        purposes: Consents for these count, and for no others.
        today: The clock's day, on which consents must hold as well.

    Raises:
        UserError: There is no such customer or rule, nothing is kept of the customer, or no
            consent of theirs lets their facts be read.
    """
    customer = store.name_of(customer)
    store.currency_of(customer)  # an unknown customer is refused as such before results are missed
    last = last_evaluation(store, customer)
    as_of = last.day
    facts = store.permitted_facts_of(customer, Use(purposes, today.day, as_of.day))
    rules, schema = store.rules(last.results.ruleset), store.schema
    if rule_id not in rules:
        message = f"{store}: the last run had no rule {rule_id}"
        raise UserError("rules.unknown", message, f"it had {', '.join(rules)}")
    (checked,) = check_stored([rules[rule_id]], schema)
    with interpreted():
        return ExplainedResult(customer, as_of, checked, explain(checked, facts, as_of, schema))
