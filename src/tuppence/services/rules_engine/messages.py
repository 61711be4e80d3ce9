"""Requests to the rules engine and its answers, as JSON."""

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from tuppence.facts.schema import Schema
from tuppence.facts.submitted import submitted_facts_type
from tuppence.plain_text import whole_text
from tuppence.results.result import State
from tuppence.services.bodies import Identifier
from tuppence.usecases.serving.messages import Answer

MAX_CUSTOMERS: Final = 1_000
"""Maximum number of customers in one request."""
_EVALUATIONS: Final = """A request to evaluate customers.

    Attributes:
        run_id: A name for the run, which logs and the answer have.
        as_of: The date that the rules take for today.
        ruleset: Digest of a ruleset; the served one if omitted.
        customers: Customers whose facts are fetched, and whose results are kept.
        facts: Facts of people, instead of `customers`; their results are only returned.
        rules: Identifiers of the rules to evaluate; all if omitted.
        results: Whether to return results, not only counts.
    """
Digest = Annotated[str, Meta(pattern=whole_text("[0-9a-f]{16}"), max_length=16)]
Day = Annotated[
    str,
    Meta(max_length=10, description="Such as 2026-06-30.", extra_json_schema={"format": "date"}),
]
RuleId = Annotated[str, Meta(pattern=whole_text("[a-z][a-z0-9_]{0,63}"))]


class OneEvaluation(msgspec.Struct, forbid_unknown_fields=True):
    """A request to evaluate one rule for one customer.

    Attributes:
        as_of: The date that the rule takes for today.
        ruleset: Digest of a ruleset; the served one if omitted.
    """

    as_of: Day
    ruleset: Digest | None = None


class Refresh(msgspec.Struct, forbid_unknown_fields=True):
    """A request to load and plan a ruleset, and to serve it from now on.

    Attributes:
        ruleset: Digest of a ruleset; the last published one if omitted.
        serve: False to check only that it could be served.
    """

    ruleset: Digest | None = None
    serve: bool = True


class Serving(msgspec.Struct):
    """The rulesets of an engine after a refresh.

    Attributes:
        serving: Digest of the ruleset for requests that name none.
        ready: Digest of the ruleset that the refresh has made ready.
    """

    serving: str | None
    ready: str | None = None


class OneAnswer(msgspec.Struct):
    """The result of one rule for one customer.

    Attributes:
        customer_id: Identifier of the customer.
        rule_id: Identifier of the rule.
        qualified: Whether the rule's condition holds; null if that is unknown.
        state: The same as a word.
        score: Number from 0 to 100 if the rule qualified.
        values: Values for the rule's message, by name.
        since: First day of the current state; from qualified to unknown and back, the first day on
            which it qualified.
        ruleset: Digest of the ruleset.
        as_of: The date that the rule took for today.
    """

    customer_id: str
    rule_id: str
    qualified: bool | None
    state: State
    score: Any
    values: dict[str, Any]
    since: str
    ruleset: str
    as_of: str


class EvaluationsAnswer(Answer, frozen=True, kw_only=True, tag=False):
    """The answer to a request for evaluations, with the name of its run.

    Attributes:
        run_id: The name of the run that the request has given.
    """

    run_id: str


def evaluations_type(schema: Schema) -> Any:
    """Return the struct of a request for evaluations, for facts of a schema."""
    submitted: Any = submitted_facts_type(schema)
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = [
        ("run_id", Annotated[str, Meta(min_length=1, max_length=100)]),
        ("as_of", Day),
        ("ruleset", Digest | None, None),
        (
            "customers",
            Annotated[list[Identifier], Meta(min_length=1, max_length=MAX_CUSTOMERS)]
            | msgspec.UnsetType,
            msgspec.UNSET,
        ),
        (
            "facts",
            Annotated[list[submitted], Meta(min_length=1, max_length=MAX_CUSTOMERS)]
            | msgspec.UnsetType,
            msgspec.UNSET,
        ),
        ("rules", Annotated[list[RuleId], Meta(min_length=1, max_length=5_000)] | None, None),
        ("results", bool, False),
    ]
    return msgspec.defstruct(
        "Evaluations", fields, namespace={"__doc__": _EVALUATIONS}, forbid_unknown_fields=True
    )
