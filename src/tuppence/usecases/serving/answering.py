"""Answering requests to evaluate customers."""

from collections.abc import Callable, Collection, Sequence

from tuppence.engine.columnar import Engine
from tuppence.errors import UserError
from tuppence.facts.schema import Schema
from tuppence.facts.source import CustomerFacts
from tuppence.facts.submitted import account_ids, submitted_batch
from tuppence.feel.values import Date
from tuppence.results.batch import merge_results, narrowed
from tuppence.results.result import CustomerResults, ResultStore, State, json_value
from tuppence.usecases.erase_customer import erase_gone
from tuppence.usecases.serving.explaining import unknown_rule
from tuppence.usecases.serving.messages import Answer, CustomerAnswer, Request, RuleAnswer
from tuppence.usecases.serving.ruleset_cache import RulesetCache


def answer_requests(
    cache: RulesetCache,
    digest: str,
    as_of: Date,
    requests: Sequence[Request],
    facts: CustomerFacts,
    open_results: Callable[[], ResultStore],
) -> list[Answer | UserError]:
    """Answer requests about one ruleset and date together.

    Args:
        cache: The rulesets that are ready.
        digest: Digest of the ruleset.
        as_of: The date that its rules take for today.
        requests: All about customers of the store, or all with submitted facts.
        facts: The facts of customers.
        open_results: Opens the store of results; called where customers are evaluated.

    Returns:
        For each request its answer, or an error if it names a rule that the ruleset lacks.

    Raises:
        UserError: As from `RulesetCache.engine`, `evaluate_kept` and `evaluate_submitted`.
    """
    engine = cache.engine(digest, as_of)
    known = {checked.rule.id for checked in engine.plan.ruleset.rules}
    unknown = [min((request.rules or frozenset()) - known, default=None) for request in requests]
    valid = [request for request, rule in zip(requests, unknown, strict=True) if rule is None]
    answers: Sequence[Answer] = ()
    if valid and valid[0].submitted:
        answers = evaluate_submitted(engine, valid, cache.schema)
    elif valid:
        results = open_results()
        rules = {request.partial_rules for request in valid}
        if results.by_rule and len(rules) == 1 and (only := rules.pop()) is not None:
            engine = cache.subset_engine(engine, only)
        answers = evaluate_kept(engine, valid, facts, results)
    remaining = iter(answers)
    return [next(remaining) if rule is None else unknown_rule(engine, rule) for rule in unknown]


def evaluate_kept(
    engine: Engine, requests: Sequence[Request], facts: CustomerFacts, results: ResultStore
) -> list[Answer]:
    """Evaluate the customers of requests together, keep what is new, and answer each request.

    Results of somebody who is erased meanwhile do not stay, nor those that a process left which
    was killed in between: see `tuppence.usecases.erase_customer`.

    Args:
        engine: For all rules, or for those that all of the requests name.
        requests: Requests that name customers.
        facts: Provides the facts of customers.
        results: Stores the results.

    Raises:
        UserError: The facts cannot be read, the results cannot be stored, or newer results are
            already stored.
    """
    wanted = sorted({customer for request in requests for customer in request.customers})
    batch = facts.of(wanted, engine.plan.as_of, engine.plan.transaction_fields)
    evaluation = engine.evaluate(batch)
    before = narrowed(engine.plan.layout, results.get(batch.customer_ids))
    found = merge_results(before, evaluation.results)
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


def evaluate_submitted(engine: Engine, requests: Sequence[Request], schema: Schema) -> list[Answer]:
    """Evaluate facts that were handed over, for all requests together; nothing is kept.

    Raises:
        UserError: The facts do not fit together.
    """
    answers: dict[int, Answer] = {}
    for group in _without_shared_accounts(requests):
        batch = submitted_batch(
            [one for index in group for one in requests[index].submitted],
            schema,
            engine.plan.transaction_fields,
        )
        found = merge_results({}, engine.evaluate(batch).results)
        start = 0
        for index in group:
            request = requests[index]
            stop = start + len(request.submitted)
            rows = found.rows[start:stop] if _needs_rows(request) else None
            qualified = int(found.qualified[start:stop].sum())
            unknown = int(found.unknown[start:stop].sum())
            answers[index] = _answer(
                engine, request, rows, stop - start, qualified, unknown, None, ()
            )
            start = stop
    return [answers[index] for index in range(len(requests))]


def _without_shared_accounts(requests: Sequence[Request]) -> list[list[int]]:
    """Return the indexes of requests in groups of which no two share an account."""
    groups: list[tuple[set[str], list[int]]] = []
    for index, request in enumerate(requests):
        own = {account for one in request.submitted for account in account_ids(one)}
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
