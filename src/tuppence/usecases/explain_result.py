"""Explains one result: why a rule came out for a customer as it did."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from tuppence.compiled import interpreted
from tuppence.engine.explanation import Explanation, document, explain
from tuppence.errors import UserError
from tuppence.facts.batch import FactBatch
from tuppence.facts.consent import Use
from tuppence.facts.schema import Schema
from tuppence.feel.values import Date
from tuppence.results.result import CustomerResults, ResultStore
from tuppence.rules.checking import CheckedRule
from tuppence.rules.rule import Rule
from tuppence.rules.ruleset import RulesetStore, check_stored, read_rules
from tuppence.usecases.customer_store import EvaluatedStore, last_evaluation, no_results


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


class EvaluatedRule(NamedTuple):
    """A rule of the last run with what it is evaluated with for a customer.

    Attributes:
        customer: Name of the customer in the store.
        as_of: The date that the rule took for today.
        checked: The rule, as the last run had it.
        facts: The facts of the customer that may be read.
        stored: The stored results of the customer.
    """

    customer: str
    as_of: Date
    checked: CheckedRule
    facts: FactBatch
    stored: CustomerResults


def evaluated_rule(
    store: EvaluatedStore, customer: str, rule_id: str, purposes: frozenset[str], today: Date
) -> EvaluatedRule:
    """Return a rule of the last run for a customer, ready to be evaluated again.

    Args:
        store: The store of the customer.
        customer: Identifier of the customer.
        rule_id: Identifier of the rule.
        purposes: Consents for these count, and for no others.
        today: The clock's day, on which consents must hold as well.

    Raises:
        UserError: As from `explain_result`.
    """
    customer = store.name_of(customer)
    store.currency_of(customer)  # an unknown customer is refused as such before results are missed
    last = last_evaluation(store, customer)
    facts = store.permitted_facts_of(customer, Use(purposes, today.day, last.day.day))
    checked = _checked(store, store.rules(last.results.ruleset), rule_id, store.schema)
    return EvaluatedRule(customer, last.day, checked, facts, last.results)


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
    customer, as_of, checked, facts, _ = evaluated_rule(store, customer, rule_id, purposes, today)
    with interpreted():
        explanation = explain(checked, facts, as_of, store.schema)
    return ExplainedResult(customer, as_of, checked, explanation)


def explain_draft(
    store: EvaluatedStore,
    customer: str,
    checked: CheckedRule,
    as_of: Date,
    purposes: frozenset[str],
    today: Date,
) -> ExplainedResult:
    """Evaluate a rule that need not have run for a customer, with every value written down.

    Args:
        store: The store of the customer.
        customer: Identifier of the customer.
        checked: The rule.
        as_of: The date that the rule takes for today.
        purposes: Consents for these count, and for no others.
        today: The clock's day, on which consents must hold as well.

    Raises:
        UserError: There is no such customer, or no consent of theirs lets their facts be read.
    """
    customer = store.name_of(customer)
    facts = store.permitted_facts_of(customer, Use(purposes, today.day, as_of.day))
    return ExplainedResult(customer, as_of, checked, explain(checked, facts, as_of, store.schema))


class PermittedDatabase(Protocol):
    """The facts of the services, as far as consents let them be read."""

    def schema(self) -> Schema:
        """Return the schema of the facts."""
        ...

    def permitted_facts_of(self, customer: str, use: Use) -> FactBatch:
        """Return the facts of a customer that their consents let be read for a use."""
        ...


def explain_kept_result(
    database: PermittedDatabase,
    results: ResultStore,
    rulesets: RulesetStore,
    customer: str,
    rule_id: str,
    purposes: frozenset[str],
    today: Date,
) -> dict[str, Any]:
    """Explain a result that the services keep, as a document.

    Args:
        database: The facts.
        results: The results.
        rulesets: The rulesets that they were made with.
        customer: Identifier of the customer.
        rule_id: Identifier of the rule.
        purposes: Consents for these count, and for no others.
        today: The clock's day, on which consents must hold as well.

    Raises:
        UserError: Nothing is kept of the customer, there is no such rule, or no consent of theirs
            lets their facts be read.
    """
    row = results.get([customer]).get(customer)
    if row is None:
        raise no_results("the services", customer)
    schema, as_of = database.schema(), Date(row.as_of)
    rules = {rule.id: rule for rule in read_rules(rulesets.get(row.ruleset))}
    checked = _checked("the services", rules, rule_id, schema)
    facts = database.permitted_facts_of(customer, Use(purposes, today.day, row.as_of))
    return document(customer, as_of, explain(checked, facts, as_of, schema))


def _checked(store: object, rules: Mapping[str, Rule], rule_id: str, schema: Schema) -> CheckedRule:
    """Return a rule of the last run, checked again."""
    if rule_id not in rules:
        message = f"{store}: the last run had no rule {rule_id}"
        raise UserError("rules.unknown", message, f"it had {', '.join(rules)}")
    (checked,) = check_stored([rules[rule_id]], schema)
    return checked
