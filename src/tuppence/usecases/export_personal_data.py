"""Exports everything that is held about a person, for them to read."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple, Protocol

import msgspec

from tuppence.bankdata.enrichment.corrections import Correction
from tuppence.bankdata.masking import Tokens
from tuppence.engine.explanation import document, explain
from tuppence.errors import UserError
from tuppence.facts.coded import batch_from, coded, ordered
from tuppence.facts.consent import Consent
from tuppence.facts.currency import minor_digits
from tuppence.facts.imported import Import
from tuppence.facts.rows import Rows, columns
from tuppence.facts.schema import Field, FieldType, Schema
from tuppence.feel import feel_text
from tuppence.feel.values import Date
from tuppence.results.result import CustomerResults, ResultStore
from tuppence.rules.ruleset import Ruleset, RulesetStore, read_ruleset
from tuppence.usecases.erase_customer import ServiceCustomers, name_in_services
from tuppence.usecases.feed_ports import FeedData


class PersonalData(NamedTuple):
    """Everything that a store holds about a customer at one moment.

    Attributes:
        rows: The facts; empty if every row of their imports was rejected.
        consents: Their consents.
        results: Their results; None if there are none.
        rejects: Rows about them that imports rejected.
        imports: The rows about them that each import has read, and those from before the imports.
        corrections: Corrections of their categories.
        replaced: Results that the last run replaced; None if it replaced none.
        feed: Views, events, states and choices of their feeds, for JSON.
    """

    rows: Rows
    consents: Sequence[Consent]
    results: CustomerResults | None
    rejects: Sequence[dict[str, Any]]
    imports: Sequence[tuple[Import | None, Rows]] = ()
    corrections: Sequence[Correction] = ()
    replaced: CustomerResults | None = None
    feed: Mapping[str, Any] = {}


class PersonalStore(Protocol):
    """A store of which people may ask what it holds of them; as text it is the store's name."""

    @property
    def schema(self) -> Schema:
        """The schema of the facts."""
        ...

    def name_of(self, customer: str) -> str:
        """Return the name of a customer in the store: a token for what may be a card number."""
        ...

    def personal_data(self, customer: str) -> PersonalData:
        """Return the data held about a customer, who may be unknown."""
        ...

    def ruleset(self, digest: str) -> Ruleset:
        """Return the ruleset that results were made with."""
        ...


class PersonalDatabase(ServiceCustomers, Protocol):
    """The facts and consents of the services."""

    def schema(self) -> Schema:
        """Return the schema of the facts."""
        ...

    def rows_of(self, customer: str) -> Rows:
        """Return all rows of one customer; none where there is no such customer."""
        ...

    def consents(self, customers: Sequence[str]) -> Sequence[Consent]:
        """Return the consents of some customers."""
        ...

    def feed_of(self, customer: str) -> Mapping[str, Any]:
        """Return all that is kept of a customer's feeds, for JSON."""
        ...


def export_from_store(store: PersonalStore, customer: str) -> dict[str, Any]:
    """Return all data of a customer in a store, for JSON, with the reasons for every result.

    Raises:
        UserError: There are no data of such a customer.
    """
    customer = store.name_of(customer)
    data = store.personal_data(customer)
    rows, consents, results, rejects, imports, corrections, replaced, feed = data
    if rows.customers is None and not (consents or rejects or corrections or any(feed.values())):
        message = f"{store}: there is no customer {customer}"
        hint = "tuppence results lists the customers"
        raise UserError("facts.unknown-customer", message, hint)
    evaluated = None
    if rows.customers is not None and results is not None:
        evaluated = store.ruleset(results.ruleset), Date(results.as_of)
    read = [_read(made, given, rows, store.schema) for made, given in imports]
    return personal_data_of(rows, store.schema, consents, evaluated) | {
        "set aside": rejects,
        "imports": read,
        "corrections": msgspec.to_builtins(corrections),
        "replaced results": [] if replaced is None else _replaced(replaced),
        "feed": feed,
    }


def export_from_services(
    database: PersonalDatabase,
    results: ResultStore,
    rulesets: RulesetStore,
    tokens: Tokens,
    customer: str,
    feeds: FeedData | None = None,
) -> dict[str, Any]:
    """Return all that the services hold of a customer, for JSON, with the reason of every result.

    Args:
        database: The facts and consents.
        results: The results of everybody.
        rulesets: The rulesets that they were made with.
        tokens: Names for identifiers that hold a card number.
        customer: Identifier of the customer, which may hold a card number.
        feeds: The memory of feeds outside of the database; None if the database keeps it.

    Raises:
        UserError: There is no such customer, or their token cannot be found without the secret.
    """
    customer = name_in_services(database, results, tokens, customer)
    schema, rows = database.schema(), database.rows_of(customer)
    consents = database.consents([customer])
    if rows.customers is None:
        raise UserError("facts.unknown-customer", f"there is no customer {customer}")
    row = results.get([customer]).get(customer)
    evaluated = None
    if row is not None:
        evaluated = read_ruleset(rulesets.get(row.ruleset), schema), Date(row.as_of)
    return personal_data_of(rows, schema, consents, evaluated) | {
        "feed": database.feed_of(customer) if feeds is None else feeds.export(customer)
    }


def personal_data_of(
    rows: Rows,
    schema: Schema,
    consents: Sequence[Consent],
    evaluated: tuple[Ruleset, Date] | None,
) -> dict[str, Any]:
    """Return facts, consents and results of a customer for JSON, with the reason for each result.

    Args:
        rows: The customer's facts; empty if imports rejected every row.
        schema: Schema of the facts.
        consents: The customer's consents.
        evaluated: The ruleset and the date of the results; None without results.
    """
    found = _tables(rows, rows, schema)
    found["consents"] = [_of_consent(consent) for consent in consents]
    found["results"] = list(_explained(rows, schema, *evaluated)) if evaluated else []
    return found


def _tables(rows: Rows, facts: Rows, schema: Schema) -> dict[str, Any]:
    """Return rows for JSON, with money in the currency of the customer among the facts."""
    owner = facts.customers
    digits = 0 if owner is None else minor_digits(owner["currency"][0]) or 0
    found: dict[str, Any] = {name: [] for name in ("customers", "accounts", "transactions")}
    for table, frame in rows.tables().items():
        fields = columns(table, schema)
        found[table] = [
            {name: _shown(value, fields[name], digits) for name, value in row.items()}
            for row in frame.iter_rows(named=True)
        ]
    return found


def _read(made: Import | None, given: Rows, facts: Rows, schema: Schema) -> dict[str, Any]:
    """Return the rows that an import has read, or those from before the imports, for JSON."""
    about: dict[str, Any] = {"id": None}
    if made is not None:
        about = {"id": made.id, "on": str(Date(made.day)), "command": made.command}
        about |= {"from": made.source, "removed": list(made.removed)}
    return about | _tables(given, facts, schema)


def _explained(
    rows: Rows, schema: Schema, ruleset: Ruleset, as_of: Date
) -> Iterator[dict[str, Any]]:
    """Return the results of a customer, each with the explanation of its rule."""
    facts = batch_from(ordered(coded(rows.tables(), schema)), schema)
    for checked in ruleset.rules:
        explained = explain(checked, facts, as_of, schema)
        yield document(facts.customer_ids[0], as_of, explained)


def _replaced(row: CustomerResults) -> list[dict[str, Any]]:
    """Return stored results for JSON, as they are: their reasons were not kept."""
    return [
        {
            "rule_id": result.rule_id,
            "as_of": str(Date(row.as_of)),
            "state": result.state,
            "score": result.score,
            "values": {name: feel_text(value) for name, value in result.values.items()},
        }
        for result in row.results
    ]


def _of_consent(consent: Consent) -> dict[str, Any]:
    dates = ("granted", "confirmed", "expires", "withdrawn")
    whole: dict[str, Any] = msgspec.to_builtins(consent)
    return whole | {n: None if whole[n] is None else str(Date(whole[n])) for n in dates}


def _shown(value: Any, field: Field, digits: int) -> Any:
    """Return a stored value as a person writes it; money has `digits` decimals."""
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
