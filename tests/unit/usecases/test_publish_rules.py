"""Publications: what is made of the approved definitions, and in which order things happen."""

import contextlib
import contextvars
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from tests.building import ROOT
from tests.fleet import Context
from tests.serving import log_lines

from tuppence import logs
from tuppence.adapters.embedded.ruleset_directory import RulesetDirectory
from tuppence.bootstrap.aws import Settings
from tuppence.cli import publish
from tuppence.errors import UserError
from tuppence.facts.schema import Schema
from tuppence.feel.values import Date
from tuppence.lambdas import convert
from tuppence.rules.definition import Criteria, Definition
from tuppence.rules.rule import Approval
from tuppence.structured import read_yaml
from tuppence.usecases.editions import Edition
from tuppence.usecases.publish_rules import Expected, Record, RunningEngine, publish_approved

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")
DAY = Date(20634)
GOOD = read_yaml(ROOT / "catalogue/bank_fees.yaml", Definition).value


class Desk:
    """Definitions, an engine and a folder of rulesets; `log` has what happened to them."""

    address = "http://engine"

    def __init__(self, folder: Path, definitions: Sequence[Definition]) -> None:
        self.rulesets = RulesetDirectory(folder)
        self.log: list[str] = []
        self.request_ids: set[str | None] = set()
        self._definitions = definitions

    def schema(self) -> Schema:
        return Schema()

    def in_force(self, as_of: Date) -> tuple[Sequence[Definition], Edition]:
        self.log.append("read")
        return self._definitions, Edition(7, str(as_of))

    @contextlib.contextmanager
    def publishing(self) -> Iterator[Record]:
        self.log.append("lock")
        yield lambda ruleset, as_of, engines, name: self.log.append(
            f"record {ruleset} of {as_of} for {(*engines,)} by {name}"
        )
        self.log.append("unlock")

    @contextlib.contextmanager
    def engines(self) -> Iterator[Sequence[RunningEngine]]:
        self.log.append("connect")
        yield [self]

    def serving(self) -> str | None:
        return self.rulesets.current()

    def refresh(self, digest: str | None, *, serve: bool) -> str | None:
        self.log.append("serve" if serve else "prepare")
        self.request_ids.add(logs.request_id())
        return digest or self.rulesets.current()


def test_a_publication_happens_inside_the_lock_and_is_recorded_before_it_takes_effect(
    tmp_path: Path,
) -> None:
    desk = Desk(tmp_path, [GOOD])
    made = publish_approved(desk, desk.rulesets, desk.engines(), DAY, "ann", desk.log.append)
    digest, ((address, before, now),) = made
    assert (address, before, now) == ("http://engine", None, digest)
    assert desk.rulesets.current() == digest
    recorded = f"record {digest} of {DAY} for ('http://engine',) by ann"
    assert desk.log == ["lock", "read", "connect", "prepare", recorded, "serve", "unlock"]
    again, _ = publish_approved(
        desk, desk.rulesets, desk.engines(), DAY, "ann", desk.log.append, digest
    )
    assert (again, desk.log.count("read")) == (digest, 1)


def test_what_somebody_has_seen_is_published_or_nothing(tmp_path: Path) -> None:
    desk = Desk(tmp_path, [GOOD])

    def publish_seen(made: str, current: str, digest: str = "") -> str:
        seen, warn = Expected(made, current), desk.log.append
        return publish_approved(
            desk, desk.rulesets, desk.engines(), DAY, "ann", warn, digest, seen
        )[0]

    with pytest.raises(UserError, match=r"make the ruleset \w+ by now, not another"):
        publish_seen("another", "")
    assert desk.rulesets.current() is None
    made = desk.rulesets.digests()[0]
    assert publish_seen(made, "") == made
    for digest in ("", made):  # a page that is older than the publication
        with pytest.raises(UserError, match=f"has published the ruleset {made}") as error:
            publish_seen(made, "", digest)
        assert error.value.code == "publish.changed"
    assert publish_seen(made, made, made) == made


def test_engines_are_called_with_the_id_of_the_publication(tmp_path: Path) -> None:
    desk = Desk(tmp_path, [GOOD])

    def publish_once() -> None:
        logs.begin("publication-1")
        publish_approved(desk, desk.rulesets, desk.engines(), DAY, "ann", desk.log.append)

    contextvars.Context().run(publish_once)
    assert desk.request_ids == {"publication-1"}


def test_a_watcher_logs_what_it_published_and_refused() -> None:
    outcomes: list[str | UserError] = ["0" * 16, UserError("publish.refused", "wrong", "", ["a"])]

    def publish_once() -> str:
        outcome = outcomes.pop(0)
        if isinstance(outcome, UserError):
            raise outcome
        return outcome

    with log_lines() as lines:
        publish.watch_changes(["bank_fees", "energy_costs"], publish_once, settle_seconds=0.0)
    told = [(line["event"], line.get("rule"), line.get("ruleset")) for line in lines]
    assert told == [
        ("waiting", None, None),
        ("changed", "bank_fees", None),
        ("published", None, "0" * 16),
        ("changed", "energy_costs", None),
        ("refused", None, None),
    ]
    assert (lines[-1]["code"], lines[-1]["errors"]) == ("publish.refused", ["a", "wrong"])


def test_nothing_is_kept_of_wrong_definitions(tmp_path: Path) -> None:
    desk = Desk(tmp_path, [])
    with pytest.raises(UserError, match="no approved definitions"):
        publish_approved(desk, desk.rulesets, desk.engines(), DAY, "ann", desk.log.append)
    assert (desk.rulesets.digests(), "connect" in desk.log) == ([], False)


def test_what_files_are_checked_for_is_told_of_definitions_too(tmp_path: Path) -> None:
    """A misspelt word, an offer without terms and an approval to come forbid nothing."""
    approval = Approval("A Firm", str(Date(DAY.day + 1)), "1")
    condition = 'count(payments[category = "grocery"]) > 0'
    odd = msgspec.structs.replace(GOOD, kind="offer", when=condition, approval=approval, tests=[])
    desk, told = Desk(tmp_path, [odd]), list[str]()
    publish_approved(desk, desk.rulesets, desk.engines(), DAY, "ann", told.append)
    codes = [line.split("[")[1].split("]")[0] for line in told]
    assert codes == ["rule.word", "rule.validity", "rule.offer", "rule.offer"]
    form = msgspec.convert(
        {"what": {"measure": "how many"}, "is": "at least", "value": "£60"}, Criteria
    )
    desk = Desk(tmp_path / "form", [msgspec.structs.replace(GOOD, when=form)])
    with pytest.raises(UserError) as caught:
        publish_approved(desk, desk.rulesets, desk.engines(), DAY, "ann", told.append)
    assert any("£60 is not a number" in line for line in caught.value.details)


def test_the_convert_function_hands_the_ruleset_and_its_edition_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(tmp_path, [GOOD])
    sent: list[dict[str, Any]] = []
    parts = SimpleNamespace(
        settings=Settings(), definitions=desk, rulesets=desk.rulesets, refresh=sent.append
    )
    monkeypatch.setattr(convert, "convert_dependencies", lambda: parts)
    answer = convert.handler({"as_of": str(DAY)}, Context(9_000))
    (digest,) = desk.rulesets.digests()
    assert answer == {"ruleset": digest, "edition": Edition(7, str(DAY)), "warnings": ()}
    assert sent == [{"ruleset": digest, "edition": Edition(7, str(DAY))}]
    desk = Desk(tmp_path / "none", [])
    parts.definitions = desk
    with pytest.raises(UserError, match="no approved definitions"):
        convert.handler({"as_of": str(DAY)}, Context(9_000))
    assert len(sent) == 1
