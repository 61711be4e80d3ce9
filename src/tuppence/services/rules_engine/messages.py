"""What the rules engine is asked and what it answers, as JSON."""

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from tuppence.facts.given import given_type
from tuppence.facts.schema import Schema
from tuppence.results.result import State
from tuppence.services.bodies import Identifier
from tuppence.usecases.serving.messages import Answer

MOST_CUSTOMERS: Final = 1_000
"""In one request."""
Digest = Annotated[str, Meta(pattern="^[0-9a-f]{16}$", max_length=16)]
Day = Annotated[
    str,
    Meta(max_length=10, description="Such as 2026-06-30.", extra_json_schema={"format": "date"}),
]
RuleId = Annotated[str, Meta(pattern="^[a-z][a-z0-9_]{0,63}$")]


class OneEvaluation(msgspec.Struct, forbid_unknown_fields=True):
    """As of when one rule is to be evaluated for one customer.

    Attributes:
        as_of: What rules take for today.
        ruleset: Digest; the one that is served where it is left out.
    """

    as_of: Day
    ruleset: Digest | None = None


class Refresh(msgspec.Struct, forbid_unknown_fields=True):
    """Which ruleset to make ready, and whether to serve it from now on.

    Attributes:
        ruleset: Digest; the one that was published last where it is left out.
        serve: False: only see that it could be served.
    """

    ruleset: Digest | None = None
    serve: bool = True


class Serving(msgspec.Struct):
    """What an engine has after a refresh.

    Attributes:
        serving: Digest of the ruleset for requests that name none.
        ready: Digest of the one that was made ready.
    """

    serving: str | None
    ready: str | None = None


class OneAnswer(msgspec.Struct):
    """One rule for one customer.

    Attributes:
        customer_id: Whom it is about.
        rule_id: Of the rule.
        qualified: Whether its condition holds; null where that cannot be known.
        state: The same in a word.
        score: From 0 to 100, where it qualified.
        values: What its message needs.
        since: Day since which the state has been so.
        ruleset: Digest of the ruleset.
        as_of: What the rule took for today.
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
    """The answer to a request for evaluations, with the name that it was given."""

    run_id: str


def evaluations_type(schema: Schema) -> Any:
    """The struct of a request for evaluations, over facts of a schema.

    Its fields: `run_id`, `as_of`, `ruleset`, `customers` or `facts`, `rules`, `results`.
    """
    given: Any = given_type(schema)
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = [
        ("run_id", Annotated[str, Meta(min_length=1, max_length=100)]),
        ("as_of", Day),
        ("ruleset", Digest | None, None),
        (
            "customers",
            Annotated[list[Identifier], Meta(min_length=1, max_length=MOST_CUSTOMERS)]
            | msgspec.UnsetType,
            msgspec.UNSET,
        ),
        (
            "facts",
            Annotated[list[given], Meta(min_length=1, max_length=MOST_CUSTOMERS)]
            | msgspec.UnsetType,
            msgspec.UNSET,
        ),
        ("rules", Annotated[list[RuleId], Meta(min_length=1, max_length=5_000)] | None, None),
        ("results", bool, False),
    ]
    return msgspec.defstruct("Evaluations", fields, forbid_unknown_fields=True)
