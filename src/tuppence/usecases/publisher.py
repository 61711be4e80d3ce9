"""Publishes rules for people who first see what would change."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple

import msgspec

from tuppence.feel.values import Date
from tuppence.rules.checking import CheckedRule
from tuppence.rules.rule import Rule
from tuppence.rules.ruleset import RulesetStore, read_rules
from tuppence.usecases.publish_rules import (
    Confirmation,
    Expected,
    Publications,
    RunningEngine,
    convert,
    publish_approved,
)
from tuppence.usecases.team import Person


class Plan(NamedTuple):
    """The changes that a publication would make.

    Attributes:
        digest: Digest of the ruleset that would be published.
        current: Digest of the ruleset that is published; None if none is.
        added: Rules that come.
        changed: Rules of which another version comes.
        removed: Rules that go.
        same: Number of rules that stay as they are.
        warnings: Findings that do not forbid to publish.
    """

    digest: str
    current: str | None
    added: tuple[CheckedRule, ...]
    changed: tuple[CheckedRule, ...]
    removed: tuple[Rule, ...]
    same: int
    warnings: tuple[str, ...]


class Publisher:
    """Publishes the approved definitions of a database.

    Args:
        acting: Returns the definitions, to be published for a person.
        rulesets: Store that the engines load from.
        engines: Connects to every engine that runs.
    """

    def __init__(
        self,
        acting: Callable[[Person], Publications],
        rulesets: RulesetStore,
        engines: Callable[[], AbstractContextManager[Sequence[RunningEngine]]],
    ) -> None:
        self._acting = acting
        self._rulesets = rulesets
        self._engines = engines

    def plan(self, person: Person, as_of: Date) -> Plan:
        """Return what a publication would change; nothing is published.

        Args:
            person: The person who asks.
            as_of: Day on which the rules must be valid.

        Raises:
            UserError: As from `convert`.
        """
        made = convert(self._acting(person), self._rulesets, as_of)
        current = self._rulesets.current()
        live: dict[str, Rule] = {}
        if current is not None:
            live = {rule.id: rule for rule in read_rules(self._rulesets.get(current))}
        added, changed, same = [], [], 0
        for checked in made.ruleset.rules:
            before = live.pop(checked.rule.id, None)
            if before is None:
                added.append(checked)
            elif before == msgspec.structs.replace(checked.rule, tests=[]):
                same += 1
            else:
                changed.append(checked)
        return Plan(
            made.ruleset.digest,
            current,
            tuple(added),
            tuple(changed),
            tuple(live.values()),
            same,
            made.warnings,
        )

    def current(self) -> str:
        """Return the digest of the ruleset that is published; empty if none is."""
        return self._rulesets.current() or ""

    def publish(self, person: Person, as_of: Date, expected: Expected) -> list[Confirmation]:
        """Publish the approved definitions, and return what each engine confirmed.

        Args:
            person: The person who publishes.
            as_of: Day on which the rules must be valid.
            expected: The rulesets that the person has seen.

        Raises:
            UserError: `publish.changed`: the definitions make another ruleset by now, or another
                one is published; others as from `publish_approved`.
        """
        return self._publish(person, as_of, "", expected)

    def again(self, person: Person, as_of: Date, expected: Expected) -> list[Confirmation]:
        """Publish a ruleset again that was published before.

        Raises:
            UserError: `publish.changed`: another ruleset is published by now; there is no such
                ruleset; others as from `publish_approved`.
        """
        return self._publish(person, as_of, expected.made, expected)

    def _publish(
        self, person: Person, as_of: Date, digest: str, expected: Expected
    ) -> list[Confirmation]:
        definitions, engines, warn = self._acting(person), self._engines(), lambda _: None
        name, rulesets = person.shown, self._rulesets
        return publish_approved(
            definitions, rulesets, engines, as_of, name, warn, digest, expected
        )[1]
