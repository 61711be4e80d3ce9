"""A feed is compared with the one after the run before; what went has a reason."""

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

import msgspec
import pytest

from tuppence.feed.choice import Candidate, Outcome
from tuppence.feed.items import ItemId
from tuppence.feel.values import Date
from tuppence.results.result import Result, State
from tuppence.rules.message import Rendered
from tuppence.rules.rule import Message, Rule
from tuppence.usecases.build_feed import Feed, FeedItem
from tuppence.usecases.compare_feeds import Absence, Before, Change, Gone, compare_feeds
from tuppence.usecases.feed_ports import Person, View

DAY = 20_000


class Shown(NamedTuple):
    """A feed, with the person whose feed it is."""

    feed: Feed
    person: Person


def rule(name: str, body: str = "{{ n | money }}") -> Rule:
    return Rule(name, "insight", name, "true", "1", Message("T", body), {"n": "1"})


def result(name: str, state: State = State.QUALIFIED, since: int = DAY, n: str = "1.5") -> Result:
    is_shown = state is State.QUALIFIED
    score, values = (Decimal(1), {"n": Decimal(n)}) if is_shown else (None, {})
    return Result(name, state, score, values, since)


def candidate(found: Result, outcome: Outcome = Outcome.SHOWN) -> Candidate:
    name = found.rule_id
    return Candidate(ItemId(name, found.since), rule(name), found, None, 2, outcome)


def entry(found: Result, body: str = "£1.50") -> FeedItem:
    return FeedItem(candidate(found), Rendered("T", body))


def shown(
    items: list[FeedItem],
    results: list[Result] | None = None,
    rules: list[Rule] | None = None,
    unwritable: Mapping[str, str] | None = None,
    hidden: tuple[Candidate, ...] = (),
) -> Shown:
    found = [one.candidate.result for one in items] if results is None else results
    known = [rule(one.rule_id) for one in found] if rules is None else rules
    by_id, day = {one.id: one for one in known}, Date(DAY)
    candidates = (*(one.candidate for one in items), *hidden)
    view = View(DAY, "ruleset", "standard:1", 5, ())
    return Shown(
        Feed("ann", day, day, "", tuple(items), candidates, unwritable or {}, view),
        Person("ann", found, "1", by_id, "ruleset", day, day, "", "GBP", False),
    )


def compare(
    now: Shown, before: list[FeedItem]
) -> tuple[list[tuple[Change, Before | None]], list[Gone]]:
    return compare_feeds(*now, before, "en_GB")


@pytest.mark.parametrize(
    ("now", "reason"),
    [
        (shown([]), Absence.NO_RULE),
        (shown([], [result("a")], []), Absence.NO_RULE),
        (shown([], [result("a", State.NOT_QUALIFIED)]), Absence.NOT_QUALIFIED),
        (shown([], [result("a", State.UNKNOWN)]), Absence.UNKNOWN),
        (shown([], [result("a", since=DAY - 14)]), Absence.EXPIRED),
        (shown([], [result("a")], unwritable={"a": "a gap"}), Absence.UNWRITABLE),
        (shown([entry(result("b"))], [result("a"), result("b")]), Absence.OUTRANKED),
    ],
)
def test_an_insight_that_went_has_a_reason(now: Shown, reason: Absence) -> None:
    _, gone = compare(now, [entry(result("a"))])
    assert [(one.rule_id, one.message.body, one.reason) for one in gone] == [("a", "£1.50", reason)]


def test_neither_what_was_answered_nor_a_promotion_went_by_itself() -> None:
    answered = shown([], hidden=(candidate(result("a"), Outcome.ACKNOWLEDGED),))
    assert compare(answered, [entry(result("a"))])[1] == []
    item = entry(result("a"))
    promoted = msgspec.structs.replace(rule("a"), communication="financial promotion")
    offer = item._replace(candidate=item.candidate._replace(rule=promoted))
    assert compare(shown([]), [offer])[1] == []


def test_an_insight_changed_if_its_numbers_would_make_another_message() -> None:
    now = shown([entry(result("a", n="2.5"), "£2.50"), entry(result("b"))])
    came, same = [entry(result("b"))], [entry(result("a", n="2.5"), "£2.50")]
    ((first, was), (second, as_was)), _ = compare(now, [entry(result("a")), entry(result("b"))])
    assert (first, second) == (Change.CHANGED, Change.SAME)
    assert was is not None
    assert (was.message.body, was.values) == ("£1.50", {"n": Decimal("1.5")})
    assert as_was is not None
    assert [change for change, _ in compare(now, came)[0]] == [Change.CAME, Change.SAME]
    assert [change for change, _ in compare(now, same)[0]] == [Change.SAME, Change.CAME]


def test_the_wording_before_is_the_part_that_differs() -> None:
    was = Before({}, Rendered("T", "£1.50"))
    assert was.wording(Rendered("T", "£2.50")) == "£1.50"
    assert was.wording(Rendered("Now", "£1.50")) == "T"


def test_only_numbers_count_and_not_the_wording_of_the_day() -> None:
    """The message of the day before had other words for the same number."""
    ((change, _),), _ = compare(
        shown([entry(result("a"))]), [entry(result("a"), "You paid £1.50.")]
    )
    assert change is Change.SAME


def test_a_rule_with_other_values_than_before_has_changed() -> None:
    earlier = Result("a", State.QUALIFIED, Decimal(1), {"old": Decimal(1)}, DAY)
    now, before = shown([entry(result("a"))]), [entry(earlier, "It was one.")]
    ((change, was),), _ = compare(now, before)
    assert change is Change.CHANGED
    assert was is not None
    assert was.message.body == "It was one."
