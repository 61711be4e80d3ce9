"""Publishes definitions as a ruleset that every engine serves, or changes nothing."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from contextvars import copy_context
from typing import NamedTuple, Protocol

from tuppence.engine.rule_tests import try_examples
from tuppence.errors import UserError
from tuppence.facts.schema import Schema
from tuppence.feel.values import Date
from tuppence.rules.checking import CheckedRule, Finding
from tuppence.rules.definition import Definition
from tuppence.rules.definition_checking import Examine, check_definition
from tuppence.rules.domain import load_definitions
from tuppence.rules.ruleset import Ruleset, RulesetStore, make_ruleset
from tuppence.usecases.check_rules import examiner
from tuppence.usecases.editions import Edition


class ApprovedDefinitions(Protocol):
    """The definitions that may be published, and the schema that they are checked against."""

    def schema(self) -> Schema:
        """Return the schema of the facts."""
        ...

    def in_force(self, as_of: Date) -> tuple[Sequence[Definition], Edition]:
        """Return the approved definitions that are valid on a date, and their edition."""
        ...


Record = Callable[[str, Date, Sequence[str], str], None]
"""Records a publication: the ruleset, its date, the engines' addresses, and the name to show."""


class Publications(ApprovedDefinitions, Protocol):
    """Definitions of which one process at a time makes a publication."""

    def publishing(self) -> AbstractContextManager[Record]:
        """Keep everybody else from publishing until the end of the block; they wait."""
        ...


class EditionedRulesets(RulesetStore, Protocol):
    """Rulesets of which processes that do not know of each other publish the newest edition."""

    def published(self) -> tuple[str, Edition]:
        """Return the digest of the current ruleset, and its edition.

        Raises:
            UserError: Nothing was published yet.
        """
        ...

    def publishing(self, edition: Edition | None) -> RulesetStore:
        """Return the same store, for publishing a ruleset of an edition."""
        ...


class RunningEngine(Protocol):
    """A rules engine that can be made to serve a ruleset."""

    address: str

    def serving(self) -> str | None:
        """Return the digest of the ruleset that it serves."""
        ...

    def refresh(self, digest: str | None, *, serve: bool) -> str | None:
        """Have it make a ruleset ready; None stands for the current one.

        Returns:
            The digest of what it serves if `serve` is true, else of what is ready.
        """
        ...


class Confirmation(NamedTuple):
    """The rulesets that an engine served before, and has confirmed to serve now."""

    address: str
    before: str | None
    now: str | None


class Conversion(NamedTuple):
    """A ruleset that was made of the approved definitions.

    Attributes:
        ruleset: The ruleset, which is in the store.
        edition: Says how new the definitions are.
        warnings: A line for each finding that does not forbid to publish.
    """

    ruleset: Ruleset
    edition: Edition
    warnings: tuple[str, ...]


class Expected(NamedTuple):
    """Digests of the rulesets that somebody has seen before publishing.

    Attributes:
        made: The ruleset that was to be published.
        current: The ruleset that was published; empty if none was.
    """

    made: str
    current: str


def publish_approved(
    definitions: Publications,
    rulesets: RulesetStore,
    engines: AbstractContextManager[Sequence[RunningEngine]],
    as_of: Date,
    name: str,
    warn: Callable[[str], None],
    digest: str = "",
    expected: Expected | None = None,
) -> tuple[str, list[Confirmation]]:
    """Have every engine serve the approved definitions; others who publish meanwhile wait.

    Args:
        definitions: Locked during the publication, so that a later one never has older rules.
        rulesets: Store that the engines load from.
        engines: Entered inside the lock, so that no engine that runs by then is left out.
        as_of: Day on which the rules must be valid.
        name: Shown beside the login in the record of the publication.
        warn: Called with each warning about the definitions before anything is published.
        digest: Publish this ruleset of the store again, in place of the definitions.
        expected: The rulesets that somebody has seen, of which none may have changed; None for any.

    Returns:
        The digest that was published, and what each engine confirmed.

    Raises:
        UserError: `publish.changed`: the definitions make another ruleset than was seen, or another
            one is published by now; others as from `convert` and `publish`.
    """
    with definitions.publishing() as record:
        hint = "look at what would change, and publish again"
        current = rulesets.current() or ""
        if expected is not None and expected.current != current:
            message = f"somebody has published the ruleset {current[:16]} meanwhile"
            raise UserError("publish.changed", message, hint)
        if not digest:
            made = convert(definitions, rulesets, as_of)
            for warning in made.warnings:
                warn(warning)
            digest = made.ruleset.digest
            if expected is not None and expected.made != digest:
                made_before = expected.made[:16]
                message = f"the approved rules make the ruleset {digest} by now, not {made_before}"
                raise UserError("publish.changed", message, hint)
        with engines as running:
            return digest, publish(
                digest,
                rulesets,
                running,
                lambda addresses: record(digest, as_of, addresses, name),
            )


def convert(definitions: ApprovedDefinitions, rulesets: RulesetStore, as_of: Date) -> Conversion:
    """Make a ruleset of the approved definitions, and put it into the store.

    Raises:
        UserError: As from `checked_ruleset`; nothing is changed then.
    """
    approved, edition = definitions.in_force(as_of)
    ruleset, warnings = checked_ruleset(approved, definitions.schema(), as_of)
    rulesets.put(ruleset)
    return Conversion(ruleset, edition, warnings)


def checked_ruleset(
    definitions: Iterable[Definition], schema: Schema, as_of: Date
) -> tuple[Ruleset, tuple[str, ...]]:
    """Return the ruleset of definitions that are right, and the warnings about them.

    Args:
        definitions: The definitions.
        schema: Schema of the facts.
        as_of: Day on which the rules must be valid.

    Raises:
        UserError: A rule is wrong or a test customer does not come out; every such finding of
            every rule is in its details.
    """
    functions, examine = load_definitions(), _warner(as_of)
    errors: list[str] = []
    warnings: list[str] = []
    rules: list[CheckedRule] = []
    for definition in definitions:
        try:
            checked, findings = check_definition(definition, schema, functions, examine)
        except UserError as error:
            errors.append(f"{definition.id}: {error.message}")
            continue
        wrong = False
        for finding in findings:
            where, found = ".".join(map(str, finding.place)), finding.diagnostic
            line = f"{definition.id}: {where}: [{found.code}] {found.message}"
            (warnings if found.warning else errors).append(line)
            wrong = wrong or not found.warning
        if not wrong:
            rules.append(checked)
            errors.extend(
                f"{definition.id}: test customer {verdict.name!r}: {failure}"
                for verdict in try_examples(checked, schema)
                for failure in verdict.failures
            )
    if errors:
        message = f"{len(errors)} {'errors' if len(errors) > 1 else 'error'} in the definitions"
        hint = "nothing was changed: engines still serve the old ruleset"
        raise UserError("publish.refused", message, hint, errors)
    if not rules:
        message = "there are no approved definitions that are valid on that day"
        raise UserError("publish.none", message, "tuppence definitions list shows their states")
    return make_ruleset(rules), tuple(warnings)


def _warner(as_of: Date) -> Examine:
    """Return a check that warns of words and days; rules outside their periods are kept."""
    find = examiner(as_of)

    def examine(definition: Definition, checked: CheckedRule) -> Iterator[Finding]:
        for found in find(definition, checked):
            diagnostic = dataclasses.replace(found.diagnostic, warning=True)
            yield dataclasses.replace(found, diagnostic=diagnostic)

    return examine


def publish(
    digest: str,
    rulesets: RulesetStore,
    engines: Sequence[RunningEngine],
    record: Callable[[Sequence[str]], None] = lambda _: None,
) -> list[Confirmation]:
    """Have every engine serve a ruleset that is in the store.

    First all make it ready. Only if all can, it becomes the current one, and each engine changes to
    the current one, as does an engine that starts later. So where two publications meet, all end
    with the same ruleset; the store may refuse to replace a newer one (see `Edition`).

    Args:
        digest: Digest of the ruleset.
        rulesets: Store that the engines load from.
        engines: Engines that run now.
        record: Called with the engines' addresses when all are ready and before anything takes
            effect, so that no publication goes unrecorded; nothing is changed where it raises.

    Raises:
        UserError: An engine cannot be reached or refuses; nothing is changed then, unless it is
            between the two steps: then the details say who serves what, and the same command goes
            on.
    """
    rulesets.get(digest)
    before = _each(engines, lambda engine: engine.serving())
    ready = _each(engines, lambda engine: engine.refresh(digest, serve=False))
    _all_agree(engines, ready, digest, "nothing was changed: engines still serve the old ruleset")
    record([engine.address for engine in engines])
    rulesets.publish(digest)
    now = _each(engines, lambda engine: engine.refresh(None, serve=True))
    hint = "publish it again once they can be reached"
    _all_agree(engines, now, digest, hint, newer=rulesets.current())
    return [
        Confirmation(engine.address, _digest(old), _digest(new))
        for engine, old, new in zip(engines, before, now, strict=True)
    ]


def publish_edition(
    rulesets: EditionedRulesets,
    find_engines: Callable[[], Sequence[RunningEngine]],
    digest: str | None,
    edition: Edition | None,
) -> tuple[str, str | None, list[Confirmation]]:
    """Have every engine serve a ruleset, unless a newer edition is the current one already.

    Args:
        rulesets: Store that the engines load from.
        find_engines: Returns the engines that run now.
        digest: Digest of the ruleset; None for the current one.
        edition: Edition of the ruleset; None where a person names one, which replaces any.

    Returns:
        The digest of the ruleset, that of the one that is current now, and what each engine
        confirmed.

    Raises:
        UserError: As from `publish`, or nothing is current yet.
    """
    if digest is None:
        digest, edition = rulesets.published()
    store = rulesets.publishing(edition)
    confirmed = publish(digest, store, find_engines())
    return digest, store.current(), confirmed


Outcome = str | UserError | None


def _each(
    engines: Sequence[RunningEngine], ask: Callable[[RunningEngine], str | None]
) -> list[Outcome]:
    def asked(engine: RunningEngine) -> Outcome:
        try:
            return ask(engine)
        except UserError as error:
            return error

    with ThreadPoolExecutor(max(len(engines), 1)) as pool:
        # Each thread gets a copy of the context, which has the id of this request.
        asking = [pool.submit(copy_context().run, asked, engine) for engine in engines]
        return [future.result() for future in asking]


def _all_agree(
    engines: Sequence[RunningEngine],
    found: Sequence[Outcome],
    digest: str,
    hint: str,
    newer: str | None = None,
) -> None:
    if all(one in {digest, newer or digest} for one in found):
        return
    lines = [
        f"{engine.address}: {one.message if isinstance(one, UserError) else one}"
        for engine, one in zip(engines, found, strict=True)
    ]
    failed = sum(one not in {digest, newer or digest} for one in found)
    message = f"{failed} of {len(engines)} engines did not confirm the ruleset {digest}"
    raise UserError("publish.engines", message, hint, lines)


def _digest(outcome: Outcome) -> str | None:
    return None if isinstance(outcome, UserError) else outcome
