"""A feed is compared with the one after the run before; what went has a reason."""

from collections.abc import Mapping
from decimal import Decimal

import pytest

from tuppence.results.result import Result, State
from tuppence.rules.message import Rendered
from tuppence.rules.rule import Message, Rule
from tuppence.usecases.compare_feeds import Absence, Change, FeedEntry, Shown, compare_feeds

DAY = 20_000
STYLE = ("GBP", "en_GB")


def rule(name: str, body: str = "{{ n | money }}") -> Rule:
    return Rule(name, "insight", name, "true", "1", Message("T", body), {"n": "1"})


def result(name: str, state: State = State.QUALIFIED, since: int = DAY, n: str = "1.5") -> Result:
    is_shown = state is State.QUALIFIED
    score, values = (Decimal(1), {"n": Decimal(n)}) if is_shown else (None, {})
    return Result(name, state, score, values, since)


def entry(found: Result, body: str = "£1.50") -> FeedEntry:
    return FeedEntry("insight", found, Rendered("T", body))


def shown(
    entries: list[FeedEntry],
    results: list[Result] | None = None,
    rules: list[Rule] | None = None,
    unwritable: Mapping[str, str] | None = None,
) -> Shown:
    found = [one.result for one in entries] if results is None else results
    known = [rule(one.rule_id) for one in found] if rules is None else rules
    by_id = {one.id: one for one in known}
    return Shown(found, by_id, DAY, tuple(entries), unwritable or {})


BEFORE = shown([entry(result("a"))])


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
    changes = compare_feeds(now, BEFORE, *STYLE)
    assert [(one.rule_id, one.message.body, one.reason) for one in changes.gone] == [
        ("a", "£1.50", reason)
    ]


def test_an_insight_changed_if_its_numbers_would_make_another_message() -> None:
    now = shown([entry(result("a", n="2.5"), "£2.50"), entry(result("b"))])
    came, same = shown([entry(result("b"))]), shown([entry(result("a", n="2.5"), "£2.50")])
    changes = compare_feeds(now, shown([entry(result("a")), entry(result("b"))]), *STYLE)
    (first, was), (second, as_was) = changes.entries
    assert (first, second) == (Change.CHANGED, Change.SAME)
    assert was is not None
    assert (was.message.body, was.values) == ("£1.50", {"n": Decimal("1.5")})
    assert as_was is not None
    assert [change for change, _ in compare_feeds(now, came, *STYLE).entries] == [
        Change.CAME, Change.SAME,
    ]  # fmt: skip
    assert [change for change, _ in compare_feeds(now, same, *STYLE).entries] == [
        Change.SAME, Change.CAME,
    ]  # fmt: skip


def test_only_numbers_count_and_not_the_wording_of_the_day() -> None:
    """The message of the day before had other words for the same number."""
    before = shown([entry(result("a"), "You paid £1.50.")])
    ((change, _),) = compare_feeds(shown([entry(result("a"))]), before, *STYLE).entries
    assert change is Change.SAME


def test_a_rule_with_other_values_than_before_has_changed() -> None:
    earlier = Result("a", State.QUALIFIED, Decimal(1), {"old": Decimal(1)}, DAY)
    before = shown([entry(earlier, "It was one.")])
    ((change, was),) = compare_feeds(shown([entry(result("a"))]), before, *STYLE).entries
    assert change is Change.CHANGED
    assert was is not None
    assert was.message.body == "It was one."
