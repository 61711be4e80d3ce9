"""From definitions to a ruleset that every engine serves: all of it, or nothing is changed."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, Protocol

from tuppence.engine.rule_tests import try_examples
from tuppence.errors import UserError
from tuppence.facts.schema import Schema
from tuppence.rules.checking import CheckedRule, check_rule
from tuppence.rules.definition import Definition, rule_of
from tuppence.rules.domain import load_definitions
from tuppence.rules.ruleset import Ruleset, RulesetStore, make_ruleset


class RunningEngine(Protocol):
    """A rules engine that is told what to serve."""

    address: str

    def serving(self) -> str | None:
        """Digest of the ruleset that it serves."""
        ...

    def refresh(self, digest: str | None, *, serve: bool) -> str | None:
        """Have it make a ruleset ready, or the current one where the digest is None.

        Returns:
            The digest of what it serves if `serve` is true, else of what is ready.
        """
        ...


class Confirmation(NamedTuple):
    """What an engine served before, and what it has confirmed to serve now."""

    address: str
    before: str | None
    now: str | None


def checked_ruleset(
    definitions: Iterable[Definition], schema: Schema
) -> tuple[Ruleset, tuple[str, ...]]:
    """The ruleset of definitions that are right, and the warnings about them.

    Raises:
        UserError: A rule is wrong or a test customer does not come out; every such finding of
            every rule is in its details.
    """
    known = load_definitions()
    errors: list[str] = []
    warnings: list[str] = []
    rules: list[CheckedRule] = []
    for definition in definitions:
        try:
            rule = rule_of(definition, schema)
        except UserError as error:
            errors.append(f"{definition.id}: {error.message}")
            continue
        checked, findings = check_rule(rule, schema, known)
        wrong = False
        for finding in findings:
            where, found = ".".join(map(str, finding.place)), finding.diagnostic
            line = f"{rule.id}: {where}: [{found.code}] {found.message}"
            (warnings if found.warning else errors).append(line)
            wrong = wrong or not found.warning
        if not wrong:
            rules.append(checked)
            errors.extend(
                f"{rule.id}: test customer {verdict.name!r}: {failure}"
                for verdict in try_examples(checked, schema)
                for failure in verdict.failures
            )
    if errors:
        message = f"{len(errors)} {'errors' if len(errors) > 1 else 'error'} in the definitions"
        hint = "nothing was changed: what was served is served on"
        raise UserError("publish.refused", message, hint, errors)
    if not rules:
        message = "there are no approved definitions that are valid on that day"
        raise UserError("publish.none", message, "tuppence definitions list shows their states")
    return make_ruleset(rules), tuple(warnings)


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
    _all_agree(engines, ready, digest, "nothing was changed: what was served is served on")
    record([engine.address for engine in engines])
    rulesets.publish(digest)
    now = _each(engines, lambda engine: engine.refresh(None, serve=True))
    hint = "publish it again once they can be reached"
    _all_agree(engines, now, digest, hint, newer=rulesets.current())
    return [
        Confirmation(engine.address, _digest(old), _digest(new))
        for engine, old, new in zip(engines, before, now, strict=True)
    ]


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
        return list(pool.map(asked, engines))


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
