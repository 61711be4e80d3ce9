"""Answers of the feed, made from what use cases return."""

import datetime
import re
from decimal import Decimal
from typing import Final

from tuppence.errors import UserError
from tuppence.feed.choice import Candidate, answered_item, snoozed_until
from tuppence.feed.policy import URGENT
from tuppence.feel.values import Date
from tuppence.services.feed.messages import (
    FeedAnswer,
    HiddenAnswer,
    HiddenItem,
    ItemAnswer,
    OrderAnswer,
)
from tuppence.services.feed.tokens import Keys, signed_view
from tuppence.usecases.build_feed import Feed, FeedItem, values_of
from tuppence.usecases.feed_ports import Kept

MAX_LIMIT: Final = 100
"""Maximum number of items of a page."""
_EPOCH: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_CURSOR: Final = re.compile(r"([1-9])~(-?[0-9]{1,9}(?:\.[0-9]{1,6})?)~([a-z][a-z0-9_]{0,63})")
_CHANNEL: Final = re.compile("[a-z][a-z0-9_]{0,63}")

Key = tuple[int, Decimal, str]
"""The place of a candidate among others, see `Candidate.key`."""


def feed_answer(feed: Feed, keys: Keys, after: Key | None, limit: int) -> FeedAnswer:
    """Return a page of a feed.

    Args:
        feed: The whole feed.
        keys: Keys that sign the receipt of the view.
        after: The place of the last item of the page before; None for the first page.
        limit: Maximum number of items.
    """
    rest = [one for one in feed.items if after is None or one.candidate.key > after]
    page = rest[:limit]
    return FeedAnswer(
        str(feed.as_of),
        feed.frozen,
        len(feed.items),
        tuple(_item(one, feed.evaluated) for one in page),
        _cursor(page[-1].candidate) if len(rest) > limit else None,
        signed_view(keys, feed.customer, feed.view),
    )


def hidden_answer(feed: Feed, kept: Kept) -> HiddenAnswer:
    """Return the insights of a feed that apply and are not shown, each with the reason."""
    return HiddenAnswer(tuple(_hidden(one, kept) for one in feed.hidden))


def _hidden(one: Candidate, kept: Kept) -> HiddenItem:
    rule, answered = one.rule, answered_item(one, kept.states)
    until = snoozed_until(one, kept.states)
    return HiddenItem(
        str(one.item),
        rule.kind,
        rule.topic,
        one.outcome,
        None if until is None else moment(until),
        None if answered is None else str(answered),
    )


def _item(one: FeedItem, evaluated: Date) -> ItemAnswer:
    candidate, message = one
    rule, item = candidate.rule, str(candidate.item)
    return ItemAnswer(
        item,
        rule.kind,
        rule.topic,
        candidate.tier == URGENT,
        message.title,
        message.body,
        values_of(candidate),
        rule.communication,
        rule.offer,
        rule.approval,
        rule.feed_settings.action,
        str(Date(candidate.item.turn)),
        str(Date(candidate.item.turn + rule.expires_after_days)),
        str(evaluated if candidate.as_of is None else Date(candidate.as_of)),
        f"/v1/feed/items/{item}/explanation",
    )


def _cursor(last: Candidate) -> str:
    """Return the place of an item as a text, which stays valid when other items come or go."""
    tier, negative, rule_id = last.key
    return f"{tier}~{-negative:f}~{rule_id}"


def read_cursor(text: str | None) -> Key | None:
    """Return the place that a cursor names; None without a cursor.

    Raises:
        UserError: `request.query`: it is not a cursor.
    """
    if text is None:
        return None
    found = _CURSOR.fullmatch(text)
    if found is None:
        raise UserError("request.query", "cursor: expected the next of an earlier answer")
    return int(found[1]), -Decimal(found[2]), found[3]


def parse_channel(text: str | None) -> str | None:
    """Return the name of a channel; None if none is given.

    Raises:
        UserError: `request.query`: it is not a name.
    """
    if text is not None and not _CHANNEL.fullmatch(text):
        raise UserError(
            "request.query", "channel: expected a name such as app, of up to 64 letters"
        )
    return text


def order_answer(feed: Feed, found: Candidate) -> OrderAnswer:
    """Return why a candidate is where it is in a feed: its points as a sum, if it has any."""
    order = feed.view.order
    by = "rules" if order is None else order.by.value
    if found.draw is None or feed.order is None:
        return OrderAnswer(by)
    (parts,) = feed.order.parts([found])
    listed = {name: points for name, points in zip(*parts, strict=True) if points}
    draw = found.draw
    return OrderAnswer(by, draw.points, listed, draw.chance, order.model if order else None)


def matches(header: str, tag: str) -> bool:
    """Return whether the header If-None-Match names a tag."""
    known = {one.strip().removeprefix("W/") for one in header.split(",")}
    return bool(known & {tag, "*"})


def milliseconds(time: datetime.datetime) -> int:
    """Return a time in milliseconds since 1970-01-01."""
    return (time - _EPOCH) // datetime.timedelta(milliseconds=1)


def moment(time: int) -> datetime.datetime:
    """Return the time of a number of milliseconds since 1970-01-01."""
    return _EPOCH + datetime.timedelta(milliseconds=time)
