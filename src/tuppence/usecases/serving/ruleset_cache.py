"""The rulesets that a rules engine has ready, and which one it serves."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import msgspec

from tuppence.engine.columnar import Engine
from tuppence.errors import UserError
from tuppence.facts.schema import Schema
from tuppence.facts.submitted import submitted_batch, submitted_facts_type
from tuppence.feel.values import Date
from tuppence.plan.plan import make_plan
from tuppence.results.batch import merge_results
from tuppence.results.packed import check_day
from tuppence.rules.ruleset import Ruleset, RulesetStore, read_ruleset

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
            sample = msgspec.convert(_SAMPLE, submitted_facts_type(fresh))
            results = engine.evaluate(submitted_batch([sample], fresh)).results
            merge_results({row.customer_id: row for row in results.rows()}, results)

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


def nothing_published() -> UserError:
    """There is no ruleset to serve."""
    message = "no ruleset has been published yet"
    return UserError("ruleset.none", message, "tuppence rules publish does that")
