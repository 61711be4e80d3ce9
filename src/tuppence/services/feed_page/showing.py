"""The content of the page, in words and formats of the reader."""

import datetime
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple, get_args

from babel.dates import format_date
from babel.numbers import format_currency

from tuppence.errors import UserError
from tuppence.feed.choice import Candidate, Outcome, answered_item, snoozed_until
from tuppence.feed.items import ItemId
from tuppence.feed.policy import URGENT
from tuppence.feed.preferences import local_day
from tuppence.feel.values import Date, civil
from tuppence.rules.message import MessageError, Rendered, render
from tuppence.rules.rule import InsightKind
from tuppence.services.feed_page.chart import Bar, bars
from tuppence.usecases.build_feed import Feed
from tuppence.usecases.compare_feeds import ABSENCES, Before, Change, FeedChanges
from tuppence.usecases.feed_ports import Kept, Person

KINDS: Final[tuple[InsightKind, ...]] = get_args(InsightKind)
MAX_ROWS: Final = 30
"""Maximum number of transactions that are shown of each selection."""
REASONS: Final[Mapping[Outcome, str]] = {
    Outcome.WITHDRAWN: "It was withdrawn.",
    Outcome.UNWRITABLE: "A number that its text needs is not known.",
    Outcome.TURNED_OFF: "You have turned off its kind or its topic.",
    Outcome.MUTED: "You said that it was not helpful.",
    Outcome.ACTED: "You have dealt with it.",
    Outcome.ACKNOWLEDGED: "You have dismissed it.",
    Outcome.SNOOZED: "You wanted to see it later.",
    Outcome.NO_PROMOTION: "Nothing is advertised beside another offer or an urgent matter, or to "
    "people who need care.",
    Outcome.CAPPED: "You have seen it, or others like it, often enough for now.",
    Outcome.SAME_TOPIC: "A more relevant insight is about the same topic.",
    Outcome.NO_PLACE: "More relevant insights have taken all places.",
}


class Card(NamedTuple):
    """An item as the page shows it.

    Attributes:
        item: Identity of the item.
        kind: Kind of the insight.
        urgent: Whether it comes before everything else.
        title: Its title.
        body: Its text.
        notes: Sentences that must stand beside it: terms, approval, the day of old numbers.
        action: Label and link of the step that it proposes; None if it proposes none.
        address: Address of its details.
        mark: Its change since the run before: `New`, `Changed`, or empty.
        before: Its text before the change, if it has changed.
    """

    item: str
    kind: str
    urgent: bool
    title: str
    body: str
    notes: tuple[str, ...]
    action: tuple[str, str] | None
    address: str
    mark: str = ""
    before: str = ""


class Shown(NamedTuple):
    """A feed as the page shows it.

    Attributes:
        as_of: The day of its facts, in words.
        frozen: The reason why it stands still, or empty.
        cards: Its items.
        hidden: Number of insights that apply and are not shown.
        since: The day of the run before, in words; empty if there was none.
        gone: Title and reason of each insight that went since then.
    """

    as_of: str
    frozen: str
    cards: tuple[Card, ...]
    hidden: int
    since: str
    gone: tuple[tuple[str, str], ...]


class Hidden(NamedTuple):
    """An insight that applies and is not shown.

    Attributes:
        title: Its title.
        kind: Its kind.
        reason: The reason in a sentence.
        answered: The item whose answer can be undone, or None.
    """

    title: str
    kind: str
    reason: str
    answered: str | None


class Selection(NamedTuple):
    """Transactions that counted.

    Attributes:
        title: The number of all of them, their days, and the sum of their amounts.
        rows: Day, text and amount of each, the newest first.
        more: Number of earlier ones that are left out.
        bars: Bars of a chart by month; none for a single month.
        caption: The chart in words.
    """

    title: str
    rows: tuple[tuple[str, str, str], ...]
    more: int
    bars: tuple[Bar, ...]
    caption: str


class Detail(NamedTuple):
    """An item with what it was computed from.

    Attributes:
        card: The item.
        why: Sentences that say why it is shown, and why in its place.
        gathered: The counts, with their values.
        selections: Transactions that counted.
    """

    card: Card
    why: tuple[str, ...]
    gathered: tuple[tuple[str, str], ...]
    selections: tuple[Selection, ...]


def feed_of(
    feed: Feed, changes: FeedChanges | None, locale: str, address: Callable[[str], str]
) -> Shown:
    """Return a feed as the page shows it.

    Args:
        feed: The feed.
        changes: Differences from the feed after the run before; None if there was none.
        locale: Locale of money and dates.
        address: Returns the address of an item's details.
    """
    cards = tuple(
        _card(one.candidate, one.message, feed.evaluated, locale, address(str(one.candidate.item)))
        for one in feed.items
    )
    hidden = len(feed.hidden)
    as_of = _day(feed.as_of, locale)
    if changes is None:
        return Shown(as_of, feed.frozen, cards, hidden, "", ())
    marked = tuple(map(_marked, cards, changes.entries))
    gone = tuple((one.message.title, ABSENCES[one.reason]) for one in changes.gone)
    return Shown(as_of, feed.frozen, marked, hidden, _day(changes.since, locale), gone)


def _marked(card: Card, entry: tuple[Change, Before | None]) -> Card:
    change, before = entry
    if change is not Change.CHANGED or before is None:
        return card._replace(mark="New" if change is Change.CAME else "")
    return card._replace(mark="Changed", before=before.wording(Rendered(card.title, card.body)))


def hidden_of(
    feed: Feed, person: Person, kept: Kept, locale: str, time_zone: str
) -> tuple[Hidden, ...]:
    """Return the insights that apply and are not shown, each with the reason.

    Args:
        feed: The feed.
        person: The person.
        kept: Stored events and preferences of the person.
        locale: Locale of money and dates.
        time_zone: Time zone of those who have chosen none.
    """
    found = []
    for one in feed.hidden:
        item, end = answered_item(one, kept.states), snoozed_until(one, kept.states)
        reason = REASONS[one.outcome]
        if end is not None:
            until = Date(local_day(end, kept.preferences.time_zone or time_zone))
            reason = f"You wanted to see it later: it returns on {_day(until, locale)}."
        title = _hidden_title(one, person.currency, locale)
        found.append(Hidden(title, one.rule.kind, reason, None if item is None else str(item)))
    return tuple(found)


def detail_of(
    feed: Feed, person: Person, item: ItemId, reasons: Mapping[str, Any], locale: str
) -> Detail:
    """Return an item with what it was computed from.

    Args:
        feed: The feed.
        person: The person.
        item: The item.
        reasons: The explanation of its result, as a document.
        locale: Locale of money and dates.

    Raises:
        UserError: The feed does not show the item.
    """
    found = next((one for one in feed.items if one.candidate.item == item), None)
    if found is None:
        raise UserError("feed.unknown-item", "this insight is no longer in the feed")
    candidate = found.candidate
    card = _card(candidate, found.message, feed.evaluated, locale, "")
    is_old = candidate.as_of is not None
    return Detail(
        card,
        tuple(_why(candidate, feed, locale)),
        () if is_old else tuple((one["text"], one["value"]) for one in reasons["features"]),
        () if is_old else _selections(reasons, person.currency, locale),
    )


def _card(one: Candidate, message: Rendered, evaluated: Date, locale: str, address: str) -> Card:
    rule, notes = one.rule, list[str]()
    if rule.offer is not None:
        notes.append(f"{rule.offer.partner}: {rule.offer.terms}")
    if rule.promotes and rule.approval is not None:
        notes.append(f"Financial promotion, approved by {rule.approval.by}.")
    if one.as_of is not None and one.as_of != evaluated.day:
        notes.append(f"As of {_day(Date(one.as_of), locale)}; newer numbers are not known.")
    action = rule.feed_settings.action
    return Card(
        str(one.item),
        rule.kind,
        one.tier == URGENT,
        message.title,
        message.body,
        tuple(notes),
        None if action is None else (action.label, action.link),
        address,
    )


def _why(one: Candidate, feed: Feed, locale: str) -> list[str]:
    as_of = feed.evaluated if one.as_of is None else Date(one.as_of)
    since, until = _day(Date(one.result.since), locale), _day(as_of, locale)
    said = [f"It has applied to you since {since}, going by your transactions until {until}."]
    place = (one.place or 0) + 1
    if one.tier == URGENT:
        said.append(f"It is in place {place}, because it is urgent.")
    elif one.draw is not None:
        said.append(f"It is in place {place}, by what you and others have found useful.")
    elif one.result.score is None:
        said.append(f"It is in place {place}; its relevance is not known.")
    else:
        said.append(f"It is in place {place}, by its relevance of {one.result.score:.0f} of 100.")
    return said


def _selections(reasons: Mapping[str, Any], currency: str, locale: str) -> tuple[Selection, ...]:
    found, seen = [], list[Sequence[Any]]()
    for one in reasons["selections"]:
        rows = [row for row in one["rows"] if row.get("amount")]
        if not rows or rows in seen:
            continue
        seen.append(rows)
        last = rows[-MAX_ROWS:][::-1]
        drawn = bars(rows)
        caption = "; ".join(
            f"{bar.month}: {format_currency(bar.amount, currency, locale=locale)}" for bar in drawn
        )
        found.append(
            Selection(
                _summed(rows, currency, locale),
                tuple(_row(row, currency, locale) for row in last),
                len(rows) - len(last),
                drawn,
                caption,
            )
        )
    return tuple(found)


def _summed(rows: Sequence[Mapping[str, str | None]], currency: str, locale: str) -> str:
    days = [datetime.date.fromisoformat(row["booking date"] or "") for row in rows]
    total = sum((Decimal(row["amount"] or 0) for row in rows), Decimal(0))
    first, last = (format_date(day, "medium", locale) for day in (min(days), max(days)))
    between = f"on {last}" if first == last else f"from {first} to {last}"
    noun = "transaction" if len(rows) == 1 else "transactions"
    return f"{len(rows)} {noun} {between}: {format_currency(total, currency, locale=locale)}"


def _row(row: Mapping[str, str | None], currency: str, locale: str) -> tuple[str, str, str]:
    day = format_date(datetime.date.fromisoformat(row["booking date"] or ""), "medium", locale)
    text = row.get("merchant") or row.get("text") or row.get("category") or "–"
    amount = format_currency(Decimal(row["amount"] or 0), currency, locale=locale)
    return day, text, amount


def _hidden_title(one: Candidate, currency: str, locale: str) -> str:
    """Return a title that neither advertises nor repeats what was withdrawn."""
    if one.outcome is Outcome.WITHDRAWN:
        return "An insight"
    if one.rule.promotes:
        return "An offer"
    try:
        return render(one.rule, one.result.values, currency, locale).title
    except MessageError:
        return one.rule.title


def _day(day: Date, locale: str) -> str:
    return format_date(datetime.date(*civil(day.day)), "long", locale)
