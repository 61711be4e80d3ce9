"""Evaluating customers on demand: what a rules engine does for the requests it gets."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any, Final

import msgspec

from tuppence.engine.columnar import Engine
from tuppence.engine.explanation import document, explain
from tuppence.errors import UserError
from tuppence.facts.given import Given, account_ids, given_batch, given_type
from tuppence.facts.schema import Schema
from tuppence.facts.source import CustomerFacts
from tuppence.feel.values import Date
from tuppence.plan.plan import make_plan
from tuppence.results.batch import narrowed, news
from tuppence.results.packed import check_day
from tuppence.results.result import CustomerResults, ResultStore, State, json_value
from tuppence.rules.ruleset import Ruleset, RulesetStore, read_ruleset
from tuppence.usecases.erasure import erase_gone

MAX_ENGINES: Final = 8
"""Rulesets × dates that are kept ready."""
MAX_SUBSETS: Final = 64
"""And parts of them."""
_SAMPLE: Final = {
    "customer": {"currency": "GBP"},
    "accounts": {"id": ["a"], "type": ["current"]},
    "transactions": {
        "booking date": ["1970-01-01"],
        "amount": [-1],
        "own transfer": [False],
        "account": ["a"],
    },
}
"""A customer with one transaction: evaluating it has all machine code loaded."""


class Request(msgspec.Struct, frozen=True):
    """What is to be evaluated.

    Attributes:
        customers: Whom; their facts are fetched, and their results kept.
        given: In place of `customers`: facts of people whose results are answered only.
        rules: By which rules; by all where it is None.
        results: Whether to answer results, or counts only.
    """

    customers: tuple[str, ...] = ()
    given: tuple[Given, ...] = ()
    rules: frozenset[str] | None = None
    results: bool = False


class RuleAnswer(msgspec.Struct, frozen=True):
    """One result for JSON; `since` is the day since which the state has been so."""

    rule_id: str
    state: State
    score: Any
    values: dict[str, Any]
    since: str


class CustomerAnswer(msgspec.Struct, frozen=True):
    """The results of one customer; of facts that were given the customer has a number."""

    customer_id: str
    results: list[RuleAnswer]


class Answer(msgspec.Struct, frozen=True):
    """What came of a request.

    Attributes:
        ruleset: Digest of the ruleset that was used.
        as_of: The date that rules took for today.
        customers: How many were evaluated.
        evaluations: customers × rules.
        qualified: Results in that state.
        unknown: Likewise.
        changed: Results that differ from what was kept before, those by other rules too where the
            store keeps a customer's results as one; None where nothing is kept.
        missing: Customers who do not exist, or have not agreed.
        results: By customer, where they were asked for.
    """

    ruleset: str
    as_of: str
    customers: int
    evaluations: int
    qualified: int
    unknown: int
    changed: int | None
    missing: tuple[str, ...] = ()
    results: list[CustomerAnswer] | None = None


class RulesetCache:
    """Keeps loaded and planned rulesets, and knows which one is served. It is thread-safe.

    One ruleset is loaded at a time; requests for rulesets that are ready do not wait for it.

    Args:
        rulesets: Store that rulesets are loaded from.
        schema: Returns the current schema of the facts.
    """

    def __init__(self, rulesets: RulesetStore, schema: Callable[[], Schema]) -> None:
        self._rulesets = rulesets
        self._read_schema = schema
        self._lock = threading.Lock()  # never held while a ruleset is loaded
        self._loading = threading.RLock()
        self._engines: OrderedDict[tuple[str, int], Engine] = OrderedDict()
        self._subsets: OrderedDict[tuple[str, int, frozenset[str]], Engine] = OrderedDict()
        self._schema: Schema | None = None
        self._served: str | None = None
        self._latest: Date | None = None

    @property
    def served(self) -> str | None:
        """Digest of the ruleset for requests that name none."""
        return self._served

    @property
    def schema(self) -> Schema:
        """The schema of the facts, as of the last `prepare`."""
        if self._schema is None:
            self._schema = self._read_schema()
        return self._schema

    def begin(self) -> None:
        """Serve the ruleset that was published last, if there is one.

        Raises:
            UserError: The ruleset cannot be loaded, or the schema cannot be read.
        """
        self._schema = self._read_schema()
        if self._rulesets.current() is not None:
            self.refresh(None, serve=True)

    def refresh(self, digest: str | None, *, serve: bool) -> str:
        """Prepare a ruleset, and serve it if `serve` is true.

        Refreshes run one at a time, so an earlier one never overrides the ruleset that a later one
        has read from the store.

        Args:
            digest: Digest of the ruleset; None for the one that was published last.
            serve: Whether to serve it from now on.

        Returns:
            The digest of the ruleset that is ready.

        Raises:
            UserError: See `published` and `prepare`.
        """
        with self._loading:
            ready = digest or self.published()
            self.prepare(ready)
            if serve:
                self.serve(ready)
        return ready

    def published(self) -> str:
        """Return the digest of the ruleset that was published last.

        Raises:
            UserError: No ruleset was published yet.
        """
        current = self._rulesets.current()
        if current is None:
            raise nothing_published()
        return current

    def prepare(self, digest: str) -> None:
        """Load and check a ruleset, plan it for the latest date, and evaluate a sample with it.

        Raises:
            UserError: There is no such ruleset, or it does not fit the schema of the facts. The
                served ruleset stays the same.
        """
        with self._loading:
            fresh = self._read_schema()
            if fresh != self._schema:
                with self._lock:
                    self._schema = fresh
                    self._engines.clear()
                    self._subsets.clear()
            engine = self.engine(digest, self._latest or Date(0))
            sample = msgspec.convert(_SAMPLE, given_type(fresh))
            results = engine.evaluate(given_batch([sample], fresh)).results
            news({row.customer_id: row for row in results.rows()}, results)

    def serve(self, digest: str) -> None:
        """Use a prepared ruleset for requests that name none."""
        self._served = digest

    def engine(self, digest: str, as_of: Date) -> Engine:
        """Return the engine of a ruleset for a date; load and plan it first if necessary.

        Args:
            digest: Digest of the ruleset.
            as_of: The date that its rules take for today.

        Raises:
            UserError: There is no such ruleset, or results of that date cannot be kept.
        """
        check_day(as_of.day)
        engine = self.ready(digest, as_of)
        if engine is None:
            with self._loading:
                engine = self.ready(digest, as_of) or self._make(digest, as_of)
                self._latest = as_of
                with self._lock:
                    self._engines[digest, as_of.day] = engine
                    if len(self._engines) > MAX_ENGINES:
                        self._engines.popitem(last=False)
        return engine

    def ready(self, digest: str, as_of: Date) -> Engine | None:
        """Return the engine of a ruleset for a date, or None if it would have to be loaded."""
        key = (digest, as_of.day)
        with self._lock:
            if key in self._engines:
                self._engines.move_to_end(key)
            return self._engines.get(key)

    def subset_engine(self, whole: Engine, rules: frozenset[str]) -> Engine:
        """Return an engine for some rules of another one; its results name the same ruleset."""
        plan = whole.plan
        key = (plan.ruleset.digest, plan.as_of.day, rules)
        with self._lock:
            subset = self._subsets.get(key)
            if subset is not None:
                self._subsets.move_to_end(key)
        if subset is None:
            chosen = tuple(one for one in plan.ruleset.rules if one.rule.id in rules)
            ruleset = replace(plan.ruleset, rules=chosen)
            subset = Engine(make_plan(ruleset, plan.as_of, self.schema, plan))
            with self._lock:
                self._subsets[key] = subset
                if len(self._subsets) > MAX_SUBSETS:
                    self._subsets.popitem(last=False)
        return subset

    def _make(self, digest: str, as_of: Date) -> Engine:
        with self._lock:
            engines = list(self._engines.values())
        known = engines[-1].plan if engines else None
        plans = (engine.plan for engine in engines)
        same = next((plan.ruleset for plan in plans if plan.ruleset.digest == digest), None)
        ruleset = same or self._load(digest, known.ruleset if known else None)
        return Engine(make_plan(ruleset, as_of, self.schema, known))

    def _load(self, digest: str, known: Ruleset | None) -> Ruleset:
        return read_ruleset(self._rulesets.get(digest), self.schema, known)


def evaluate_kept(
    engine: Engine, requests: Sequence[Request], facts: CustomerFacts, results: ResultStore
) -> list[Answer]:
    """Evaluate the customers of requests together, keep what is new, and answer each request.

    Results of somebody who is erased meanwhile do not stay, nor those that a process left which
    was killed in between: see `tuppence.usecases.erasure`.

    Args:
        engine: For all rules, or for those that all of the requests name.
        requests: About customers.
        facts: Of customers.
        results: Where they are kept.

    Raises:
        UserError: Facts cannot be had, results cannot be kept, or what is kept is of a later date.
    """
    wanted = sorted({customer for request in requests for customer in request.customers})
    batch = facts.of(wanted, engine.plan.as_of, engine.plan.transaction_fields)
    evaluation = engine.evaluate(batch)
    before = results.get(batch.customer_ids)
    if results.by_rule:
        before = narrowed(engine.plan.layout, before)
    found = news(before, evaluation.results)
    gone: Collection[str] = ()
    try:
        results.put(found.rows)
    finally:  # some may have been written even where others could not be
        if found.rows or len(batch) < len(wanted):
            gone = erase_gone(wanted, facts, results)
    place = {c: i for i, c in enumerate(batch.customer_ids) if c not in gone}
    rows = {**before, **{row.customer_id: row for row in found.rows}}
    answers = []
    for request in requests:
        own = [place[customer] for customer in request.customers if customer in place]
        answers.append(
            _answer(
                engine,
                request,
                [rows[batch.customer_ids[i]] for i in own] if _needs_rows(request) else None,
                len(own),
                int(found.qualified[own].sum()),
                int(found.unknown[own].sum()),
                int(found.changed[own].sum()),
                tuple(c for c in request.customers if c not in place),
            )
        )
    return answers


def evaluate_given(engine: Engine, requests: Sequence[Request], schema: Schema) -> list[Answer]:
    """Evaluate facts that were handed over, for all requests together; nothing is kept.

    Raises:
        UserError: The facts do not fit together.
    """
    answers: dict[int, Answer] = {}
    for group in _without_shared_accounts(requests):
        batch = given_batch(
            [given for index in group for given in requests[index].given],
            schema,
            engine.plan.transaction_fields,
        )
        found = news({}, engine.evaluate(batch).results)
        start = 0
        for index in group:
            request = requests[index]
            stop = start + len(request.given)
            rows = found.rows[start:stop] if _needs_rows(request) else None
            qualified = int(found.qualified[start:stop].sum())
            unknown = int(found.unknown[start:stop].sum())
            answers[index] = _answer(
                engine, request, rows, stop - start, qualified, unknown, None, ()
            )
            start = stop
    return [answers[index] for index in range(len(requests))]


def explain_kept(
    engine: Engine, customer: str, rule_id: str, facts: CustomerFacts, schema: Schema
) -> dict[str, Any]:
    """Why a rule says what it says of a customer, for JSON.

    Raises:
        UserError: There is no such rule or customer.
    """
    plan = engine.plan
    checked = next((c for c in plan.ruleset.rules if c.rule.id == rule_id), None)
    if checked is None:
        raise unknown_rule(engine, rule_id)
    batch = facts.of([customer], plan.as_of)
    if not len(batch):
        raise unknown_customer(customer)
    found = explain(checked, batch, plan.as_of, schema)
    return document(customer, plan.as_of, found)


def nothing_published() -> UserError:
    """There is no ruleset to serve."""
    message = "no ruleset was published yet"
    return UserError("ruleset.none", message, "tuppence rules publish does that")


def unknown_rule(engine: Engine, rule_id: str) -> UserError:
    """The ruleset has no such rule."""
    message = f"the ruleset {engine.plan.ruleset.digest} has no rule {rule_id[:64]}"
    return UserError("rule.unknown", message)


def unknown_customer(customer: str) -> UserError:
    """There is no such customer, or they have not agreed: callers are not told which."""
    message = f"there is no customer {customer[:64]} who has agreed to be evaluated"
    return UserError("facts.unknown-customer", message)


def _without_shared_accounts(requests: Sequence[Request]) -> list[list[int]]:
    """The requests, by index, in groups in which no two have an account in common."""
    groups: list[tuple[set[str], list[int]]] = []
    for index, request in enumerate(requests):
        own = {account for given in request.given for account in account_ids(given)}
        for taken, group in groups:
            if taken.isdisjoint(own):
                taken.update(own)
                group.append(index)
                break
        else:
            groups.append((own, [index]))
    return [group for _, group in groups]


def _needs_rows(request: Request) -> bool:
    return request.results or request.rules is not None


def _answer(
    engine: Engine,
    request: Request,
    rows: Sequence[CustomerResults] | None,
    customers: int,
    qualified: int,
    unknown: int,
    changed: int | None,
    missing: tuple[str, ...],
) -> Answer:
    plan, rules = engine.plan, len(engine.plan.rules)
    answered = None
    if rows is not None:
        answered = [CustomerAnswer(row.customer_id, _results(row, request.rules)) for row in rows]
    if request.rules is not None and answered is not None:
        states = [result.state for customer in answered for result in customer.results]
        qualified, unknown = states.count(State.QUALIFIED), states.count(State.UNKNOWN)
        rules = len(request.rules)
    return Answer(
        plan.ruleset.digest,
        str(plan.as_of),
        customers,
        customers * rules,
        qualified,
        unknown,
        changed,
        missing,
        answered if request.results else None,
    )


def _results(row: CustomerResults, rules: frozenset[str] | None) -> list[RuleAnswer]:
    return [
        RuleAnswer(
            result.rule_id,
            result.state,
            result.score,
            {name: json_value(value) for name, value in result.values.items()},
            str(Date(result.since)),
        )
        for result in row.results
        if rules is None or result.rule_id in rules
    ]
