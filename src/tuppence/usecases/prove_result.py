"""Proofs: documents that show, without a store, why a rule came out for a customer as it did.

A proof has the rule, the facts that the rule reads, the result with its reasons, and a digest of
each part. Whoever has it can evaluate the rule again by the reference interpreter.
"""

import dataclasses
import hashlib
from typing import Any, Final

import msgspec

from tuppence.compiled import interpreted
from tuppence.engine.explanation import document, explain
from tuppence.errors import UserError
from tuppence.facts.census import Census
from tuppence.facts.plain import plain_facts
from tuppence.facts.schema import AMONG_PEERS, Field, Schema
from tuppence.facts.submitted import submitted_batch, submitted_facts_type
from tuppence.feel import feel_text
from tuppence.feel.values import Date, parse_date
from tuppence.plain_text import printable_json
from tuppence.plan.plan import PlannedRule, make_plan
from tuppence.results.result import Result
from tuppence.rules.checking import CheckedRule
from tuppence.rules.rule import Rule
from tuppence.rules.ruleset import RulesetStore, check_stored, make_ruleset, read_rules
from tuppence.usecases.customer_store import EvaluatedStore
from tuppence.usecases.explain_result import EvaluatedRule, evaluated_rule

FORMAT: Final = 1
MAX_BYTES: Final = 50_000_000
"""Maximum size of a proof."""
_RESULT: Final = ("state", "score", "values")
_REASONS: Final = ("clauses", "selections", "problems")


class Proof(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A proof of one result.

    Attributes:
        format: Version of this format.
        made_by: Version of Tuppence that made it.
        customer: Name of the customer.
        as_of: The day that the rule took for today.
        ruleset: Digest of the ruleset that the rule belongs to.
        rule: The rule.
        attributes: Fields of customers that the store declares.
        facts: The facts that the rule reads, as requests to an engine have them.
        census: Figures about many people, if the rule may read them.
        result: State, score and values.
        reasons: The clauses with their values, the rows that counted, and why parts are unknown.
        digests: SHA-256 of each part above, in canonical JSON.
    """

    format: int
    made_by: str
    customer: str
    as_of: str
    ruleset: str
    rule: Rule
    attributes: tuple[Field, ...]
    facts: dict[str, Any]
    census: Census | None
    result: dict[str, Any]
    reasons: dict[str, Any]
    digests: dict[str, str]


def prove_result(
    store: EvaluatedStore,
    customer: str,
    rule_id: str,
    purposes: frozenset[str],
    today: Date,
    version: str,
) -> bytes:
    """Return the proof of a stored result.

    Args:
        store: The store of the customer.
        customer: Identifier of the customer.
        rule_id: Identifier of the rule.
        purposes: Consents for these count, and for no others.
        today: The clock's day, on which consents must hold as well.
        version: Version of Tuppence.

    Raises:
        UserError: As from `explain_result`, or the facts of today do not give the stored result.
    """
    found = evaluated_rule(store, customer, rule_id, purposes, today)
    schema, checked = store.schema, found.checked
    planned = PlannedRule(checked, found.as_of)
    fields = make_plan(make_ruleset([checked]), found.as_of, schema).transaction_fields
    facts = plain_facts(found.facts, schema, found.as_of, fields)
    if "name" not in planned.names:  # what people call their accounts is nobody's business
        facts["accounts"].pop("name", None)
    reads_census = planned.reads_streams or not AMONG_PEERS.isdisjoint(planned.names)
    census = found.facts.census if reads_census else None
    result, reasons = _evaluated(checked, facts, census, found.as_of, schema, found.customer)
    _refuse_other(found, rule_id, result)
    parts = {
        "format": FORMAT,
        "made_by": version,
        "customer": found.customer,
        "as_of": str(found.as_of),
        "ruleset": found.stored.ruleset,
        "rule": msgspec.structs.replace(checked.rule, tests=[]),
        "attributes": schema.attributes,
        "facts": facts,
        "census": census,
        "result": result,
        "reasons": reasons,
    }
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(parts))
    return canonical(plain | {"digests": _digests(plain)})


def verify_proof(content: bytes, rulesets: RulesetStore | None = None, digest: str = "") -> Proof:
    """Return a proof after checking that its result follows from its rule and its facts.

    Args:
        content: The proof.
        rulesets: Rulesets, of which one must have the rule; None to believe the proof.
        digest: The digest of the proof, as it was told when it was made; empty to believe it.

    Raises:
        UserError: A byte was changed, the result does not follow, or the ruleset has another rule.
    """
    proof = _read(content)
    if digest and digest_of(content) != digest:
        message = f"the proof is another one: its digest is {digest_of(content)}"
        raise UserError("proof.digest", message, "compare it with what tuppence prove has printed")
    if rulesets is not None:
        rules = {rule.id: rule for rule in read_rules(rulesets.get(proof.ruleset))}
        if rules.get(proof.rule.id) != proof.rule:
            message = f"the ruleset {proof.ruleset} has no such rule {proof.rule.id}"
            raise UserError(
                "proof.ruleset", message, "the rule of the proof never ran: ask who made it"
            )
    as_of, schema = parse_date(proof.as_of), Schema(proof.attributes)
    if as_of is None:
        raise _damaged(f"{proof.as_of[:40]!a} is not a date")
    (checked,) = check_stored([proof.rule], schema)
    given = (proof.facts, proof.census)
    result, reasons = _evaluated(checked, *given, as_of, schema, proof.customer)
    if result != proof.result:
        message = (
            f"the proof says {proof.result.get('state')!a}, and its rule and facts give "
            f"{result['state']}"
        )
        if result["state"] == proof.result.get("state"):
            message = "the score or the values of the proof do not follow from its rule and facts"
        hint = f"it was made by Tuppence {proof.made_by}: verify it with that version"
        raise UserError("proof.result", message, hint)
    if reasons != proof.reasons:
        message = "the reasons in the proof are not those that its rule and facts give"
        hint = f"it was made by Tuppence {proof.made_by}: verify it with that version"
        raise UserError("proof.result", message, hint)
    return proof


def canonical(plain: dict[str, Any]) -> bytes:
    """Return a document as JSON that is the same bytes for the same content."""
    encoded = msgspec.json.encode(plain, order="sorted")
    return printable_json(msgspec.json.format(encoded).decode() + "\n").encode()


def digest_of(content: bytes) -> str:
    """Return the digest of a proof."""
    return hashlib.sha256(content).hexdigest()


def _digests(plain: dict[str, Any]) -> dict[str, str]:
    return {name: digest_of(canonical({name: part})) for name, part in plain.items()}


def _read(content: bytes) -> Proof:
    """Return a proof of which no byte was changed."""
    if len(content) > MAX_BYTES:
        raise _damaged(f"it has more than {MAX_BYTES:,} bytes")
    try:
        plain = msgspec.json.decode(content, type=dict[str, Any])
        if plain.get("format") != FORMAT:
            message = (
                f"the proof is of format {plain.get('format')!a}, and this version reads {FORMAT}"
            )
            raise UserError("proof.format", message, "verify it with the version that made it")
        proof = msgspec.json.decode(content, type=Proof)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _damaged(str(error)) from None
    parts = {name: part for name, part in plain.items() if name != "digests"}
    found = _digests(parts)
    changed = [name for name in parts if proof.digests.get(name) != found[name]]
    if changed or proof.digests.keys() != parts.keys():
        where = ", ".join(changed) or "digests"
        message = f"the proof was changed after it was made: {where}"
        raise UserError("proof.changed", message, "ask for it again where it was made")
    if canonical(plain) != content:
        message = "the proof was changed after it was made: it is not written as it was"
        raise UserError("proof.changed", message, "an editor may have done it: take the original")
    return proof


def _evaluated(
    checked: CheckedRule,
    facts: dict[str, Any],
    census: Census | None,
    as_of: Date,
    schema: Schema,
    customer: str,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return result and reasons, by the reference interpreter over the facts of a proof alone."""
    try:
        given = msgspec.convert(facts, submitted_facts_type(schema))
    except msgspec.ValidationError as error:
        raise _damaged(f"facts: {error}") from None
    batch = dataclasses.replace(submitted_batch([given], schema), census=census)
    with interpreted():
        whole = document(customer, as_of, explain(checked, batch, as_of, schema))
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(whole))
    return {name: plain[name] for name in _RESULT}, {name: plain[name] for name in _REASONS}


def _refuse_other(found: EvaluatedRule, rule_id: str, result: dict[str, Any]) -> None:
    """Raise an error if the stored result is not what the facts of today give."""
    stored = next(one for one in found.stored.results if one.rule_id == rule_id)
    if _plain_result(stored) != result:
        message = (
            f"{found.customer} has the stored result {stored.state} of {rule_id}, and the facts of "
            f"today give {result['state']}: facts or consents have changed since the run"
        )
        hint = "run the rules again, then prove the new result"
        raise UserError("proof.stale", message, hint)


def _plain_result(stored: Result) -> dict[str, Any]:
    values = {name: feel_text(value) for name, value in stored.values.items()}
    one = {"state": stored.state, "score": stored.score, "values": values}
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(one))
    return plain


def _damaged(problem: str) -> UserError:
    return UserError(
        "proof.damaged", f"this is no proof: {problem}", "give the file as it was made"
    )
