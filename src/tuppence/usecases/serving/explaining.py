"""Explains one result to a caller of a rules engine."""

from typing import Any

from tuppence.engine.columnar import Engine
from tuppence.engine.explanation import document, explain
from tuppence.errors import UserError
from tuppence.facts.schema import Schema
from tuppence.facts.source import CustomerFacts


def explain_kept(
    engine: Engine, customer: str, rule_id: str, facts: CustomerFacts, schema: Schema
) -> dict[str, Any]:
    """Return the reasons for a rule's result for a customer, for JSON.

    Raises:
        UserError: There is no such rule or customer.
    """
    plan = engine.plan
    checked = next((c for c in plan.ruleset.rules if c.rule.id == rule_id), None)
    if checked is None:
        raise unknown_rule(engine, rule_id)
    batch = facts.of([customer], plan.as_of)
    if not len(batch):
        raise unknown_customer(customer)
    found = explain(checked, batch, plan.as_of, schema)
    return document(customer, plan.as_of, found)


def unknown_rule(engine: Engine, rule_id: str) -> UserError:
    """Return the error for a rule that the ruleset does not have."""
    message = f"the ruleset {engine.plan.ruleset.digest} has no rule {rule_id[:64]}"
    return UserError("rule.unknown", message)


def unknown_customer(customer: str) -> UserError:
    """Return the error for a customer who is unknown or has not agreed, without saying which."""
    message = f"there is no customer {customer[:64]} who has agreed to be evaluated"
    return UserError("facts.unknown-customer", message)
