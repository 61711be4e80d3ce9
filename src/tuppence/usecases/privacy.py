"""All that is held of one person, for them to read."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from tuppence.engine.explanation import document, explain
from tuppence.facts.coded import batch_from, coded, ordered
from tuppence.facts.consent import Consent
from tuppence.facts.currency import minor_digits
from tuppence.facts.rows import Rows, columns
from tuppence.facts.schema import Field, FieldType, Schema
from tuppence.feel.values import Date
from tuppence.rules.ruleset import Ruleset


def held(
    rows: Rows,
    schema: Schema,
    consents: Sequence[Consent],
    evaluated: tuple[Ruleset, Date] | None,
) -> dict[str, Any]:
    """Facts, consents and results of a customer, for JSON, with the reason of every result.

    Args:
        rows: Of the one customer; none where nothing of an import could be taken.
        schema: Of the facts.
        consents: What they agreed to.
        evaluated: The ruleset and the date of their results; None where there are none.
    """
    tables = rows.tables()
    owner = rows.customers
    digits = 0 if owner is None else minor_digits(owner["currency"][0]) or 0
    found: dict[str, Any] = {name: [] for name in ("customers", "accounts", "transactions")}
    for table, frame in tables.items():
        fields = columns(table, schema)
        found[table] = [
            {name: _shown(value, fields[name], digits) for name, value in row.items()}
            for row in frame.iter_rows(named=True)
        ]
    found["consents"] = [_of_consent(consent) for consent in consents]
    found["results"] = list(_explained(rows, schema, *evaluated)) if evaluated else []
    return found


def _explained(
    rows: Rows, schema: Schema, ruleset: Ruleset, as_of: Date
) -> Iterator[dict[str, Any]]:
    """The results of a customer, each as its rule explains it."""
    facts = batch_from(ordered(coded(rows.tables(), schema)), schema)
    for checked in ruleset.rules:
        explained = explain(checked, facts, as_of, schema)
        yield document(facts.customer_ids[0], as_of, explained)


def _of_consent(consent: Consent) -> dict[str, Any]:
    dates = ("granted", "confirmed", "expires", "withdrawn")
    whole: dict[str, Any] = msgspec.to_builtins(consent)
    return whole | {n: None if whole[n] is None else str(Date(whole[n])) for n in dates}


def _shown(value: Any, field: Field, digits: int) -> Any:
    """A stored value as a person writes it; money has so many digits after the point."""
    if value is None:
        return None
    match field.kind:
        case FieldType.MONEY:
            return str(Decimal(value).scaleb(-digits))
        case FieldType.NUMBER if field.decimals:
            return str(Decimal(value).scaleb(-field.decimals))
        case FieldType.DATE:
            return str(Date(value))
    return value
