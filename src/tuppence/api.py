"""The public Python interface: facts and rules in, results, explanations and insights out.

`import tuppence` offers its names. docs/reference/python.md says which of them are stable.
"""

import datetime
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from tuppence.errors import UserError
from tuppence.facts.batch import FactBatch
from tuppence.facts.consent import PURPOSES, Use
from tuppence.facts.schema import Schema
from tuppence.facts.submitted import submitted_batch, submitted_facts_type
from tuppence.facts.values import feel_values
from tuppence.feed.choice import Moment, Outcome, Reader, choose
from tuppence.feed.items import DAY
from tuppence.feed.policy import STANDARD
from tuppence.feed.turns import variant_index
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
    """The accounts and transactions of some customers.

    Attributes:
        customers: Identifiers of the customers.
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
            UserError: The facts do not have this customer (`facts.unknown-customer`).
        """
        if customer not in self.customers:
            raise UserError("facts.unknown-customer", f"there is no customer {customer}")
        index = self.customers.index(customer)
        return Facts((customer,), self._batch.slice(index, index + 1), self._schema)


@dataclass(frozen=True, slots=True)
class Rules:
    """Rules that have been checked and have no errors.

    Attributes:
        ids: Identifiers of the rules, in alphabetical order.
        digest: Digest of the rules, 16 hexadecimal digits.
        warnings: Warnings of the check, each with its place.
    """

    ids: tuple[str, ...]
    digest: str
    warnings: tuple[str, ...]
    _ruleset: Ruleset
    _schema: Schema


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one rule for one customer.

    Attributes:
        customer_id: Identifier of the customer.
        rule_id: Identifier of the rule.
        state: The outcome of the condition; `unknown` if the facts do not determine it.
        score: Relevance from 0 to 100, with 4 decimals; None if unknown, or unless qualified.
        values: The rule's values by name: Decimal, str, bool, datetime.date, None, or lists of
            them; empty unless qualified. Money is in main units.
        currency: ISO 4217 code of the currency of the customer's money.
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
    """A qualified result as a message for the customer.

    Attributes:
        rule_id: Identifier of the rule.
        kind: Kind of the rule, such as `saving`.
        score: Relevance from 0 to 100; None if unknown.
        title: A short sentence.
        body: One or two sentences.
    """

    rule_id: str
    kind: str
    score: Decimal | None
    title: str
    body: str


class Store:
    """A folder of facts that `tuppence import` or `tuppence synth` wrote.

    Consents must be valid both on `today`, by default the system's date, and on the as-of date.
    Customers without any recorded consent are read.

    Args:
        path: The folder.

    Raises:
        UserError: The folder is not a store, or is damaged.
    """

    def __init__(self, path: Path | str) -> None:
        from tuppence.bootstrap.store import open_store  # noqa: PLC0415 - it loads adapters

        self._folder = open_store(Path(path))
        self._source = self._folder.facts()

    @property
    def customers(self) -> int:
        """The number of customers."""
        return sum(count for _, count in self._source.partitions())

    def read(self, as_of: datetime.date, *, today: datetime.date | None = None) -> Iterator[Facts]:
        """Yield the facts of all customers whose consents allow it, a partition at a time."""
        source = self._folder.permitted_facts(_use(as_of, today))
        for name, _ in source.partitions():
            batch = source.read_evaluable(name)
            if len(batch):
                yield Facts(batch.customer_ids, batch, source.schema)

    def find(
        self, customer: str, as_of: datetime.date, *, today: datetime.date | None = None
    ) -> Facts:
        """Return the facts of one customer.

        Raises:
            UserError: The customer does not exist (`facts.unknown-customer`), or their consents do
                not allow it (`consent.none`).
        """
        batch = self._folder.permitted_facts_of(customer, _use(as_of, today))
        return Facts((customer,), batch, self._source.schema)


def open_store(path: Path | str) -> Store:
    """Open the store in a folder.

    Raises:
        UserError: The folder is not a store (`store.missing`), or is damaged (`store.corrupt`).
    """
    return Store(path)


def facts_from(documents: Mapping[str, Mapping[str, Any]]) -> Facts:
    """Build facts from Python lists.

    Args:
        documents: A document for each customer: `customer` has its fields; `accounts` and
            `transactions` have a list for each field, all of equal length. The reference of the
            schema lists the fields. Money is in minor units, dates are texts such as "2026-06-30".

    Raises:
        UserError: A field is unknown or missing, or a value is of the wrong type (`facts.shape`,
            `request.facts`).
    """
    schema = Schema()
    submitted = []
    for customer, document in documents.items():
        try:
            submitted.append(msgspec.convert(document, submitted_facts_type(schema)))
        except msgspec.ValidationError as error:
            hint = "docs/reference/python.md shows the form, tuppence schema the fields"
            raise UserError("facts.shape", f"{customer}: {error}", hint) from None
    return Facts(tuple(documents), submitted_batch(submitted, schema), schema)


def read_rules(path: Path | str, store: Store | None = None) -> Rules:
    """Read and check a rule file, or all `*.yaml` below a folder.

    Args:
        path: The file or folder. `catalogue` is the rules that are part of the package, unless
            there is a file or folder of that name.
        store: The store whose declared attributes the rules may read.

    Raises:
        UserError: A rule has an error (`rules.invalid`; `details` has all of them, with places), or
            there are no rules.
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
        A result for each customer and rule: customers in the order of the facts, rules in the order
        of their identifiers.

    Raises:
        UserError: The rules were read for a store with other attributes (`rules.schema`).
    """
    from tuppence.engine.columnar import Engine  # noqa: PLC0415 - it loads the compiler
    from tuppence.plan.plan import make_plan  # noqa: PLC0415

    _same_schema(rules, facts)
    plan = make_plan(rules._ruleset, _date(as_of), rules._schema)
    batch = facts._batch
    rows = Engine(plan).evaluate(batch).results.rows()
    currencies = feel_values(batch.customers["currency"], len(batch), 0)
    found: list[Result] = []
    for customer, row, currency in zip(facts.customers, rows, currencies, strict=True):
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
    """Explain the result of a rule for one customer.

    Returns:
        The document that `tuppence explain --format json` prints: `state`, `score`, `values`,
        `clauses` of the condition with their values, and `selections` with the rows that counted.
        Values are FEEL literals.

    Raises:
        UserError: The facts are not those of one customer (`facts.one`), or the rule does not exist
            (`rule.unknown`).
    """
    from tuppence.engine import explanation  # noqa: PLC0415 - it loads the compiler

    _same_schema(rules, facts)
    if len(facts) != 1:
        message = f"explain needs the facts of one customer, not of {len(facts)}"
        raise UserError("facts.one", message, "facts.of(customer) returns those of one")
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
    """Return the messages for one customer: by tier and score, one of each topic.

    It is the feed of somebody who has seen nothing yet, by the standard policy.

    Args:
        rules: The rules that were evaluated.
        results: Results of one customer, from `evaluate`.
        as_of: The day on which they are shown.
        limit: Maximum number of messages.
        locale: Locale of money and dates.

    Raises:
        UserError: The results are those of several customers (`results.one`), the locale is
            unknown, or a message uses a value that is null (`message.values`).
    """
    own = list(results)
    if len({one.customer_id for one in own}) > 1:
        message = "rank needs the results of one customer, not of several"
        raise UserError("results.one", message, "choose those with one customer_id")
    by_id: dict[str, Rule] = {checked.rule.id: checked.rule for checked in rules._ruleset.rules}
    day = _date(as_of).day
    policy = msgspec.structs.replace(STANDARD, places=limit)
    moment = Moment(day, day, day * DAY)
    insights: list[Insight] = []
    for one in choose([one._stored for one in own], by_id, Reader(), policy, moment):
        if one.outcome is not Outcome.SHOWN:
            continue
        rule, result = one.rule, one.result
        index = variant_index(rule, result.since, day)
        read = render(rule, result.values, own[0].currency, locale, index)
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
    """Convert a FEEL value to a value of Python's own types."""
    if isinstance(value, Date):
        return datetime.date.fromisoformat(str(value))
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(one) for one in value]
    return value
