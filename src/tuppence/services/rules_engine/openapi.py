"""The rules engine's OpenAPI 3.1 document, generated from its structs."""

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
from tuppence.usecases.serving.messages import Answer

_ERRORS: Final = {
    400: "The request is malformed.",
    401: "The token is missing or not known.",
    404: "There is no such customer, rule or ruleset.",
    405: "The path does not support this method.",
    409: "Results of a later date are already stored.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    429: "This caller has too many requests in progress; try again after Retry-After seconds.",
    503: "The service cannot answer now; try again after Retry-After seconds.",
    504: "The request took too long; try again.",
}


def openapi_document(schema: Schema) -> dict[str, Any]:
    """Return the document for facts of a schema."""
    evaluations = evaluations_type(schema)
    bodies = [evaluations, EvaluationsAnswer, OneEvaluation, OneAnswer, Refresh, Serving, Problem]
    types: Any = [*bodies, Identifier, RuleId, Day, Digest]
    schemas, components = _components(types)
    refs = dict(zip(bodies, schemas, strict=False))
    identifier, rule, day, digest = schemas[-4:]
    path = [_parameter("customer_id", "path", identifier), _parameter("rule_id", "path", rule)]
    query = [_parameter("as_of", "query", day), _parameter("ruleset", "query", digest, False)]
    one = "/v1/customers/{customer_id}/rules/{rule_id}"
    problem = refs[Problem]
    return {
        "openapi": "3.1.0",
        "info": {"title": "Tuppence rules engine", "version": "1"},
        "security": [{"token": []}],
        "paths": {
            "/v1/evaluations": {
                "post": _operation(
                    "Evaluate customers and store changes, or evaluate the facts in the request",
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
                    "Explain the result of a rule for a customer",
                    {"type": "object"},
                    problem,
                    parameters=query,
                ),
            },
            "/v1/ruleset": {"get": _operation("Show the current ruleset", refs[Serving], problem)},
            "/v1/ruleset/refresh": {
                "post": _operation(
                    "Load a ruleset, and serve it",
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


def _components(types: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return references to types, and the schemas that they refer to by name."""
    schemas, components = msgspec.json.schema_components(
        types, ref_template="#/components/schemas/{name}"
    )
    inherited = (Answer.__doc__ or "").partition("Attributes:")[2]
    components["EvaluationsAnswer"]["description"] += inherited
    components["Evaluations"]["oneOf"] = [{"required": ["customers"]}, {"required": ["facts"]}]
    return schemas, components


def _operation(
    summary: str,
    answer: Any,
    problem: Any,
    body: Any = None,
    parameters: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    operation: dict[str, Any] = {"summary": summary}
    if parameters:
        operation["parameters"] = parameters
    if body:
        content = {"application/json": {"schema": body}}
        operation["requestBody"] = {"required": True, "content": content}
    success = {"description": "Done.", "content": {"application/json": {"schema": answer}}}
    failure = {"application/problem+json": {"schema": problem}}
    operation["responses"] = {
        "200": success,
        **{str(s): {"description": text, "content": failure} for s, text in _ERRORS.items()},
    }
    return operation


def _parameter(name: str, where: str, schema: Any, required: bool = True) -> dict[str, Any]:
    return {"name": name, "in": where, "required": required, "schema": schema}
