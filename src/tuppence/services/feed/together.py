"""Answers to requests for feeds that arrive together."""

import hashlib
from collections.abc import Sequence
from importlib.metadata import version
from typing import Final, NamedTuple

import msgspec
from starlette.responses import Response

from tuppence.errors import UserError
from tuppence.feed.policy import Policy
from tuppence.services.bodies import json_response
from tuppence.services.feed.answers import Key, feed_answer, matches
from tuppence.services.feed.tokens import Keys
from tuppence.usecases.build_feed import Feed, FeedRequest, build_feeds, feed_version
from tuppence.usecases.feed_ports import Known
from tuppence.usecases.order_feed import Model

_VERSION: Final = version("tuppence")


class Asked(NamedTuple):
    """A request for a feed.

    Attributes:
        customer: The customer.
        locale: Locale of money and dates; that of the customer if None.
        after: The place of the last item of the page before; None for the first page.
        limit: Maximum number of items.
        channel: Place where the feed is shown, as the app calls it.
        known: The tags of what the app has, as the header If-None-Match names them.
    """

    customer: str
    locale: str | None
    after: Key | None
    limit: int
    channel: str | None
    known: str


class _Changed(NamedTuple):
    """A request whose answer the app does not have."""

    asked: Asked
    request: FeedRequest
    headers: dict[str, str]


def answer_together(
    asked: Sequence[Asked],
    known: Sequence[Known | UserError],
    policy: Policy,
    now: int,
    model: Model | None,
    keys: Keys,
) -> Sequence[Response | UserError]:
    """Return the answers to requests for feeds; what an app has already is not built.

    Args:
        asked: The requests.
        known: The input of the feed of each, or why there is none.
        policy: The policy of the feeds.
        now: The clock, in milliseconds since 1970-01-01.
        model: The model that orders feeds, if there is one.
        keys: Keys that sign the receipts of views.
    """
    found = list[Response | UserError | _Changed]()
    for one, input_ in zip(asked, known, strict=True):
        if isinstance(input_, UserError):
            found.append(input_)
            continue
        request = FeedRequest(*input_, policy, now, one.locale, model, one.channel)
        tag = _tag(one, request, keys)
        headers = {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Authorization"}
        if one.known and matches(one.known, tag):
            found.append(Response(status_code=304, headers=headers))
        else:
            found.append(_Changed(one, request.served(), headers))
    changed = [one for one in found if isinstance(one, _Changed)]
    feeds = iter(build_feeds([one.request for one in changed]))
    return [_answer(one, next(feeds), keys) if isinstance(one, _Changed) else one for one in found]


def _tag(asked: Asked, request: FeedRequest, keys: Keys) -> str:
    """Return a digest of all that an answer follows from."""
    page = msgspec.json.encode([_VERSION, keys.signing[0], asked.after, asked.limit])
    return f'"{hashlib.sha256(feed_version(request) + page).hexdigest()[:32]}"'


def _answer(changed: _Changed, feed: Feed | UserError, keys: Keys) -> Response | UserError:
    if isinstance(feed, UserError):
        return feed
    asked, _, headers = changed
    return json_response(feed_answer(feed, keys, asked.after, asked.limit), headers)
