"""The page of the nights: runs, and the reach of each rule beside the nights before."""

from typing import Final, NamedTuple

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from tuppence.services.console.page import ConsoleDependencies, Pages
from tuppence.usecases.nights import Night, Trend, by_day, nights_of, trends_of

MAX_PROBLEMS: Final = 12
"""Maximum number of reasons for unknown results that are listed."""


class Row(NamedTuple):
    """A rule of the last night.

    Attributes:
        rule_id: The rule.
        title: Its title.
        qualified: Number of customers who qualified.
        unknown: Number of customers for whom it was unknown.
        before: Number who qualified in the night before; None if that is not known.
        trend: Numbers who qualified in the nights, oldest first.
        is_unusual: Whether the number lies outside of all nights before.
    """

    rule_id: str
    title: str
    qualified: int
    unknown: int
    before: int | None
    trend: tuple[int | None, ...]
    is_unusual: bool


class NightsPages:
    """The page of the nights.

    Args:
        deps: The ports of the console.
        pages: Renders the templates.
    """

    def __init__(self, deps: ConsoleDependencies, pages: Pages) -> None:
        self._deps = deps
        self._pages = pages

    async def home(self, request: Request) -> Response:
        """List the last nights, and the rules of the newest one."""
        del request

        def read() -> tuple[list[Night], list[Row]]:
            nights = nights_of(self._deps.store)
            if not nights:
                return [], []
            days = by_day(nights)
            rules = self._deps.store.rules(days[0].run.ruleset) if days else {}
            titles = {name: rule.title for name, rule in rules.items()}
            return nights, [row for one in trends_of(days) if (row := _row(one, titles))]

        nights, rows = await run_in_threadpool(read)
        return self._pages.page(
            "nights.html",
            "Nights",
            "Nights",
            nights=nights,
            rows=sorted(rows, key=lambda row: (not row.is_unusual, row.rule_id)),
            problems=nights[0].tally.problems[:MAX_PROBLEMS] if nights else (),
        )


def _row(trend: Trend, titles: dict[str, str]) -> Row | None:
    newest = trend.counts[0]
    if newest is None:
        return None
    counts = tuple(None if one is None else one.qualified for one in trend.counts)
    before = counts[1] if len(counts) > 1 else None
    title = titles.get(trend.rule_id, trend.rule_id)
    numbers = (newest.qualified, newest.unknown, before)
    return Row(trend.rule_id, title, *numbers, counts[::-1], trend.is_unusual)
