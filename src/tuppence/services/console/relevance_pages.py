"""The page of relevance: the scorecard, the comparison with hold-outs, and the levers."""

import asyncio
from collections.abc import Sequence
from typing import Final, NamedTuple

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from tuppence.errors import UserError
from tuppence.feel.values import Date
from tuppence.relevance.scorecard import Scorecard
from tuppence.relevance.sequential import Comparison
from tuppence.services.console.page import ConsoleDependencies, Pages
from tuppence.usecases.judge_order import Judged, live_against_hold_out
from tuppence.usecases.levers import judge_levers, scorecard_rows

MAX_SHOWN: Final = 12
"""Number of rules and topics of each end that a scorecard shows."""
_SECTION: Final = "Relevance"


class Published(NamedTuple):
    """The published model, for a page.

    Attributes:
        digest: Its digest.
        fitted: The clicks and views that it was fitted to, in words.
        rows: Part, level and points of each row of its scorecard.
        most: The largest number of points, regardless of the sign.
    """

    digest: str
    fitted: str
    rows: Sequence[tuple[str, str, int | None]]
    most: int


class Lever(NamedTuple):
    """The estimated effect of a lever, for a page.

    Attributes:
        name: Its name.
        change: The relative change of clicks, or empty.
        interval: The interval of the change, or the reason why nothing is known.
    """

    name: str
    change: str
    interval: str


class RelevancePages:
    """The page of relevance.

    Args:
        deps: The ports of the console.
        pages: Renders the templates.
    """

    def __init__(self, deps: ConsoleDependencies, pages: Pages) -> None:
        self._deps = deps
        self._pages = pages
        self._estimating = asyncio.Semaphore(1)

    async def home(self, request: Request) -> Response:
        """Show the published model, and what it has brought so far."""
        del request
        return await run_in_threadpool(self._page, None, "")

    async def estimate(self, request: Request) -> Response:
        """Show what each lever would change."""
        del request
        async with self._estimating:
            return await run_in_threadpool(self._estimated)

    def _estimated(self) -> Response:
        try:
            judged = judge_levers(self._deps.read_log(), self._deps.feeds.policy)
        except UserError as error:
            return self._page((), f"{error.message[:1].upper()}{error.message[1:]}: {error.hint}")
        return self._page([_lever(one) for one in judged], "")

    def _page(self, levers: Sequence[Lever] | None, problem: str) -> Response:
        model = self._deps.feeds.model()
        found = live_against_hold_out(self._deps.read_log())
        return self._pages.page(
            "relevance.html",
            "Relevance",
            _SECTION,
            model=None if model is None else _published(model.digest, model.card),
            compared=found,
            proven=not found.unknown and _is_proven(found),
            levers=levers,
            problem=problem,
        )


def _published(digest: str, card: Scorecard) -> Published:
    rows = [*scorecard_rows(card, MAX_SHOWN)]
    fitted = "nothing"
    if card.fitted is not None:
        one = card.fitted
        fitted = (
            f"{one.clicks:,} clicks on {one.cards:,} cards in {one.views:,} views, "
            f"{Date(one.first)} to {Date(one.last)}"
        )
    return Published(digest, fitted, rows, max(abs(points or 0) for _, _, points in rows) or 1)


def _is_proven(found: Comparison) -> bool:
    return found.low > 0 or found.high < 0


def _lever(judged: Judged) -> Lever:
    one = judged.estimate
    if one.unknown:
        return Lever(judged.target.name, "", one.unknown)
    interval = f"{one.change_low:+.1%} to {one.change_high:+.1%}"
    return Lever(judged.target.name, f"{one.change:+.1%}", interval)
