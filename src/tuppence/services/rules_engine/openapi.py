"""The rules engine's API in the terms of OpenAPI 3.1, made from its structs."""

from typing import Any, Final

import msgspec

from tuppence.facts.schema import Schema
from tuppence.services.bodies import Identifier
from tuppence.services.problems import Problem
from tuppence.services.rules_engine.messages import (
    Day,
    Digest,
    EvaluationsAnswer,
    OneAnswer,
    OneEvaluation,
    Refresh,
    RuleId,
    Serving,
    evaluations_type,
)

_WAYS: Final = {
    400: "The request is wrong.",
    401: "The token is missing or not known.",
    404: "There is no such customer, rule or ruleset.",
    405: "The path is there, the method is not.",
    409: "Results of a later date are kept.",
    413: "The body is too large.",
    415: "The body is of another type.",
    429: "This caller has too many requests at work: try again after the time of Retry-After.",
    503: "Not now: try again after the time that Retry-After says.",
    504: "It took too long: try again.",
}


def openapi_document(schema: Schema) -> dict[str, Any]:
    """The document, for facts of a schema."""
    evaluations = evaluations_type(schema)
    kinds = [evaluations, EvaluationsAnswer, OneEvaluation, OneAnswer, Refresh, Serving, Problem]
    parts: Any = [*kinds, Identifier, RuleId, Day, Digest]
    found, components = msgspec.json.schema_components(
        parts, ref_template="#/components/schemas/{name}"
    )
    either = [{"required": ["customers"]}, {"required": ["facts"]}]
    components["Evaluations"]["oneOf"] = either
    refs = dict(zip(kinds, found, strict=False))
    identifier, rule, day, digest = found[-4:]
    path = [_parameter("customer_id", "path", identifier), _parameter("rule_id", "path", rule)]
    asked = [_parameter("as_of", "query", day), _parameter("ruleset", "query", digest, False)]
    one = "/v1/customers/{customer_id}/rules/{rule_id}"
    problem = refs[Problem]
    return {
        "openapi": "3.1.0",
        "info": {"title": "Tuppence rules engine", "version": "1"},
        "security": [{"token": []}],
        "paths": {
            "/v1/evaluations": {
                "post": _operation(
                    "Evaluate customers, keep what is new; or facts that are handed over",
                    refs[EvaluationsAnswer],
                    problem,
                    body=refs[evaluations],
                )
            },
            f"{one}/evaluation": {
                "parameters": path,
                "post": _operation(
                    "Evaluate one rule for one customer",
                    refs[OneAnswer],
                    problem,
                    body=refs[OneEvaluation],
                ),
            },
            f"{one}/explanation": {
                "parameters": path,
                "get": _operation(
                    "Why a rule says what it says of a customer",
                    {"type": "object"},
                    problem,
                    parameters=asked,
                ),
            },
            "/v1/ruleset": {"get": _operation("Which is served", refs[Serving], problem)},
            "/v1/ruleset/refresh": {
                "post": _operation(
                    "Make a ruleset ready, and serve it",
                    refs[Serving],
                    problem,
                    body=refs[Refresh],
                )
            },
        },
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(
    summary: str,
    answer: Any,
    problem: Any,
    body: Any = None,
    parameters: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    made: dict[str, Any] = {"summary": summary}
    if parameters:
        made["parameters"] = parameters
    if body:
        content = {"application/json": {"schema": body}}
        made["requestBody"] = {"required": True, "content": content}
    good = {"description": "Done.", "content": {"application/json": {"schema": answer}}}
    bad = {"application/problem+json": {"schema": problem}}
    made["responses"] = {
        "200": good,
        **{str(s): {"description": text, "content": bad} for s, text in _WAYS.items()},
    }
    return made


def _parameter(name: str, where: str, schema: Any, required: bool = True) -> dict[str, Any]:
    return {"name": name, "in": where, "required": required, "schema": schema}
