"""The public Python interface: facts and rules in, results, explanations and insights out.

It is what `import tuppence` gives, and what docs/reference/python.md promises to keep.
"""

import datetime
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from tuppence import feed
from tuppence.derived.context import customer_context
from tuppence.errors import UserError
from tuppence.facts.batch import FactBatch
from tuppence.facts.consent import PURPOSES, Use
from tuppence.facts.given import given_batch, given_type
from tuppence.facts.schema import Schema
from tuppence.feel.values import Date
from tuppence.results.result import Result as StoredResult
from tuppence.rules.files import read_rules as read_rule_files
from tuppence.rules.files import show
from tuppence.rules.message import render
from tuppence.rules.rule import Rule
from tuppence.rules.ruleset import Ruleset, make_ruleset

EPOCH: Final = datetime.date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of some customers: their accounts and transactions.

    Attributes:
        customers: Their identifiers.
    """

    customers: tuple[str, ...]
    _batch: FactBatch
    _schema: Schema

    def __len__(self) -> int:
        """Return the number of customers."""
        return len(self.customers)

    def of(self, customer: str) -> "Facts":
        """Return the facts of one of the customers.

        Raises:
            UserError: It is not one of them (`facts.unknown-customer`).
        """
        if customer not in self.customers:
            raise UserError("facts.unknown-customer", f"there is no customer {customer}")
        index = self.customers.index(customer)
        return Facts((customer,), self._batch.slice(index, index + 1), self._schema)


@dataclass(frozen=True, slots=True)
class Rules:
    """Rules that were checked and found right.

    Attributes:
        ids: Their identifiers, in alphabetical order.
        digest: Names exactly these rules: 16 hexadecimal digits.
        warnings: What the check found that does not prevent their use, each with its place.
    """

    ids: tuple[str, ...]
    digest: str
    warnings: tuple[str, ...]
    _ruleset: Ruleset
    _schema: Schema


@dataclass(frozen=True, slots=True)
class Result:
    """What one rule found for one customer.

    Attributes:
        customer_id: Of the customer.
        rule_id: Of the rule.
        state: `unknown` where the facts do not say whether the condition holds.
        score: Relevance from 0 to 100, to 4 decimals; None unless qualified, or not known.
        values: The rule's values by name: Decimal, str, bool, datetime.date, None, or lists of
            them; empty unless qualified. Money is in main units.
        currency: Of the customer's money, ISO 4217.
    """

    customer_id: str
    rule_id: str
    state: Literal["qualified", "not_qualified", "unknown"]
    score: Decimal | None
    values: Mapping[str, Any]
    currency: str
    _stored: StoredResult


@dataclass(frozen=True, slots=True)
class Insight:
    """A qualified result as a customer reads it.

    Attributes:
        rule_id: Of the rule.
        kind: Of the rule, such as `saving`.
        score: Relevance from 0 to 100; None where it is not known.
        title: A short sentence.
        body: One or two sentences.
    """

    rule_id: str
    kind: str
    score: Decimal | None
    title: str
    body: str


class Store:
    """A folder of facts, as `tuppence import` and `tuppence synth` make it.

    Consents are honoured: they must hold on `today`, by default the system's date, and on the
    as-of date. Customers with no recorded consent are read.

    Args:
        path: The folder.

    Raises:
        UserError: There is no store, or it is damaged.
    """

    def __init__(self, path: Path | str) -> None:
        from tuppence.bootstrap.local import open_store  # noqa: PLC0415 - it loads adapters

        self._folder = open_store(Path(path))
        self._source = self._folder.facts()

    @property
    def customers(self) -> int:
        """Return how many customers it has."""
        return sum(count for _, count in self._source.partitions())

    def read(self, as_of: datetime.date, *, today: datetime.date | None = None) -> Iterator[Facts]:
        """Yield the facts of all customers whose consents allow it, some 10,000 at a time."""
        source = self._folder.permitted_facts(_use(as_of, today))
        for name, _ in source.partitions():
            batch = source.read(name)
            yield Facts(batch.customer_ids, batch, source.schema)

    def find(
        self, customer: str, as_of: datetime.date, *, today: datetime.date | None = None
    ) -> Facts:
        """Return the facts of one customer.

        Raises:
            UserError: There is no such customer (`facts.unknown-customer`), or their consents do
                not allow it (`consent.none`).
        """
        source = self._folder.permitted_facts(_use(as_of, today), customer)
        return Facts((customer,), source.find(customer), source.schema)


def open_store(path: Path | str) -> Store:
    """Return the store in a folder.

    Raises:
        UserError: There is no store (`store.missing`), or it is damaged (`store.corrupt`).
    """
    return Store(path)


def facts_from(documents: Mapping[str, Mapping[str, Any]]) -> Facts:
    """Return facts from columns of your own.

    Args:
        documents: By customer: `customer` with its fields, `accounts` and `transactions` with a
            list for each field, all equally long. Fields are those of the schema's page. Money is
            in minor units, dates are texts such as "2026-06-30".

    Raises:
        UserError: A field is unknown or missing, or a value is of the wrong kind (`facts.shape`,
            `request.facts`).
    """
    schema = Schema()
    given = []
    for customer, document in documents.items():
        try:
            given.append(msgspec.convert(document, given_type(schema)))
        except msgspec.ValidationError as error:
            hint = "docs/reference/python.md shows the form, tuppence schema the fields"
            raise UserError("facts.shape", f"{customer}: {error}", hint) from None
    return Facts(tuple(documents), given_batch(given, schema), schema)


def read_rules(path: Path | str, store: Store | None = None) -> Rules:
    """Read and check a rule file, or all `*.yaml` below a folder.

    Args:
        path: `catalogue` stands for the rules that come with the package, unless there is a file
            or folder of that name.
        store: Whose declared attributes the rules may read.

    Raises:
        UserError: A rule has an error (`rules.invalid`; `details` has each with its place), or
            there is no rule.
    """
    schema = Schema() if store is None else store._source.schema
    files = read_rule_files(Path(path), schema)
    ruleset = make_ruleset(files.usable())
    return Rules(
        tuple(checked.rule.id for checked in ruleset.rules),
        ruleset.digest,
        tuple(show(problem) for problem in files.problems),
        ruleset,
        schema,
    )


def evaluate(rules: Rules, facts: Facts, as_of: datetime.date) -> list[Result]:
    """Evaluate every rule for every customer, as if `as_of` were today.

    The same rules, facts and date always give the same results, equal to exact decimal arithmetic.

    Returns:
        A result for each customer and rule, customers in the order of the facts, rules in that of
        their identifiers.

    Raises:
        UserError: The rules were read for a store with other attributes (`rules.schema`).
    """
    from tuppence.engine.columnar import Engine  # noqa: PLC0415 - it loads the compiler
    from tuppence.plan.plan import make_plan  # noqa: PLC0415

    _same_schema(rules, facts)
    plan = make_plan(rules._ruleset, _date(as_of), rules._schema)
    batch = facts._batch
    rows = Engine(plan).evaluate(batch).results.rows()
    found: list[Result] = []
    for index, (customer, row) in enumerate(zip(facts.customers, rows, strict=True)):
        currency = str(customer_context(batch, index, _date(as_of))["customer"]["currency"])
        found.extend(
            Result(
                customer,
                one.rule_id,
                one.state.value,
                one.score,
                {name: _plain(value) for name, value in one.values.items()},
                currency,
                one,
            )
            for one in row.results
        )
    return found


def explain(rules: Rules, rule_id: str, facts: Facts, as_of: datetime.date) -> dict[str, Any]:
    """Explain why a rule came out as it did for one customer.

    Returns:
        The document that `tuppence explain --format json` prints: `state`, `score`, `values`,
        `clauses` of the condition with their values, and `selections` with the rows that counted.
        Values are texts as FEEL writes them.

    Raises:
        UserError: The facts are not those of one customer (`facts.one`), or there is no such rule
            (`rule.unknown`).
    """
    from tuppence.engine import explanation  # noqa: PLC0415 - it loads the compiler

    _same_schema(rules, facts)
    if len(facts) != 1:
        message = f"one customer is explained at a time, and these are {len(facts)}"
        raise UserError("facts.one", message, "facts.of(customer) gives those of one")
    by_id = {checked.rule.id: checked for checked in rules._ruleset.rules}
    if rule_id not in by_id:
        raise UserError("rule.unknown", f"there is no rule {rule_id}", "rules.ids has all of them")
    date, batch = _date(as_of), facts._batch
    found = explanation.explain(by_id[rule_id], batch, date, facts._schema)
    return explanation.document(facts.customers[0], date, found)


def rank(
    rules: Rules,
    results: Iterable[Result],
    as_of: datetime.date,
    *,
    limit: int = 5,
    locale: str = "en_GB",
) -> list[Insight]:
    """Return what one customer sees: qualified results by score, one of each topic, as messages.

    Args:
        rules: The ones that gave the results.
        results: Of one customer, from `evaluate`.
        as_of: The day on which they are shown.
        limit: How many at most.
        locale: How money and dates are written.

    Raises:
        UserError: The results are those of several customers (`results.one`), there is no such
            locale, or a message uses a value that is null (`message.values`).
    """
    given = list(results)
    if len({one.customer_id for one in given}) > 1:
        message = "results of one customer are ranked at a time"
        raise UserError("results.one", message, "choose those with one customer_id")
    by_id: dict[str, Rule] = {checked.rule.id: checked.rule for checked in rules._ruleset.rules}
    day = _date(as_of).day
    shown = feed.rank([one._stored for one in given], by_id, day, limit)
    insights: list[Insight] = []
    for result in shown:
        rule = by_id[result.rule_id]
        turn = feed.turn(rule, result.since, day)
        read = render(rule, result.values, given[0].currency, locale, turn)
        insights.append(Insight(rule.id, rule.kind, result.score, read.title, read.body))
    return insights


def _same_schema(rules: Rules, facts: Facts) -> None:
    if rules._schema != facts._schema:
        message = "the rules were checked for other customer attributes than these facts have"
        raise UserError("rules.schema", message, "read_rules(path, store) checks them for a store")


def _date(date: datetime.date) -> Date:
    return Date((date - EPOCH).days)


def _use(as_of: datetime.date, today: datetime.date | None) -> Use:
    now = datetime.datetime.now(tz=datetime.UTC).date() if today is None else today
    return Use(PURPOSES, _date(now).day, _date(as_of).day)


def _plain(value: object) -> Any:
    """Return a FEEL value as Python's own."""
    if isinstance(value, Date):
        return datetime.date.fromisoformat(str(value))
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(one) for one in value]
    return value
