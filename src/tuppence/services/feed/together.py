"""Answers to requests for feeds that arrive together."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Sequence
from importlib.metadata import version
from typing import Final, NamedTuple

import msgspec
from starlette.responses import Response

from tuppence.errors import UserError
from tuppence.feed.policy import Policy
from tuppence.services.bodies import json_bytes
from tuppence.services.feed.answers import Key, feed_answer, matches
from tuppence.services.feed.tokens import Keys
from tuppence.usecases.build_feed import FeedRequest, build_feeds, feed_version
from tuppence.usecases.feed_ports import Known
from tuppence.usecases.order_feed import KnownRulesets, Model

_VERSION: Final = version("tuppence")
MAX_KEPT: Final = 4_000
"""Number of answers that are kept: some megabytes."""
KEPT_MILLISECONDS: Final = 10 * 60_000
"""Time for which an answer is kept: about as long as somebody uses an app."""


class Page(NamedTuple):
    """A page of a feed, as a query names it.

    Attributes:
        locale: Locale of money and dates; that of the customer if None.
        after: The place of the last item of the page before; None for the first page.
        limit: Maximum number of items.
        channel: Place where the feed is shown, as the app calls it.
    """

    locale: str | None
    after: Key | None
    limit: int
    channel: str | None


class Asked(NamedTuple):
    """A request for a feed.

    Attributes:
        customer: The customer.
        page: The page.
        known: The tags of what the app has, as the header If-None-Match names them.
    """

    customer: str
    page: Page
    known: str


class KeptAnswers:
    """The bodies of the last answers by their tags, which name all that an answer follows from.

    Apps ask again while nothing has changed: when they are opened again, or on another device.

    Attributes:
        rulesets: The rulesets of the last answers.
    """

    def __init__(self) -> None:
        self._found = OrderedDict[tuple[str, str], tuple[int, bytes]]()  # the oldest first
        self._lock = threading.Lock()
        self.rulesets = KnownRulesets()

    def get(self, customer: str, tag: str, now: int) -> bytes | None:
        """Return the body of an answer; None if it is not kept."""
        with self._lock:
            while self._found and next(iter(self._found.values()))[0] <= now - KEPT_MILLISECONDS:
                self._found.popitem(last=False)
            found = self._found.get((customer, tag))
        return None if found is None else found[1]

    def put(self, customer: str, tag: str, now: int, body: bytes) -> None:
        """Keep the body of an answer, in place of the oldest one if there are too many."""
        with self._lock:
            self._found[customer, tag] = now, body
            if len(self._found) > MAX_KEPT:
                self._found.popitem(last=False)


class _Changed(NamedTuple):
    """A request whose answer is neither kept nor known to the app."""

    asked: Asked
    request: FeedRequest
    tag: str


def answer_together(
    asked: Sequence[Asked],
    known: Sequence[Known | UserError],
    policy: Policy,
    now: int,
    model: Model | None,
    keys: Keys,
    kept: KeptAnswers,
) -> Sequence[Response | UserError]:
    """Return the answers to requests for feeds; what an app has already is not built.

    Args:
        asked: The requests.
        known: The input of the feed of each, or why there is none.
        policy: The policy of the feeds.
        now: The clock, in milliseconds since 1970-01-01.
        model: The model that orders feeds, if there is one.
        keys: Keys that sign the receipts of views.
        kept: The answers that are kept.
    """
    found = list[Response | UserError | _Changed]()
    for one, input_ in zip(asked, known, strict=True):
        if isinstance(input_, UserError):
            found.append(input_)
            continue
        request = FeedRequest(*input_, policy, now, one.page.locale, model, one.page.channel)
        tag = _tag(one, request, keys)
        if one.known and matches(one.known, tag):
            found.append(Response(status_code=304, headers=_headers(tag)))
        elif (body := kept.get(one.customer, tag, now)) is not None:
            found.append(_response(tag, body))
        else:
            found.append(_Changed(one, request.served(), tag))
    changed = [one for one in found if isinstance(one, _Changed)]
    feeds = iter(build_feeds([one.request for one in changed], kept.rulesets))

    def answer(one: _Changed) -> Response | UserError:
        feed = next(feeds)
        if isinstance(feed, UserError):
            return feed
        body = json_bytes(feed_answer(feed, keys, one.asked.page.after, one.asked.page.limit))
        kept.put(one.asked.customer, one.tag, now, body)
        return _response(one.tag, body)

    return [answer(one) if isinstance(one, _Changed) else one for one in found]


def _tag(asked: Asked, request: FeedRequest, keys: Keys) -> str:
    """Return a digest of all that an answer follows from."""
    page = msgspec.json.encode([_VERSION, keys.signing[0], asked.page.after, asked.page.limit])
    return f'"{hashlib.sha256(feed_version(request) + page).hexdigest()[:32]}"'


def _headers(tag: str) -> dict[str, str]:
    return {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Authorization"}


def _response(tag: str, body: bytes) -> Response:
    return Response(body, headers=_headers(tag), media_type="application/json")
