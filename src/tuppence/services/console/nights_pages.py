"""The pages of the nights: runs, their progress, and each rule beside the nights before."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from tuppence.errors import UserError
from tuppence.rules.rule import Rule
from tuppence.services.console.page import PERSON, ConsoleDependencies, Pages
from tuppence.services.console.permissions import may
from tuppence.services.console.trying import money
from tuppence.services.pages import field_of, read_form
from tuppence.usecases.compare_rulesets import RuleChange
from tuppence.usecases.nights import (
    Drift,
    Night,
    Publication,
    Trend,
    by_day,
    nights_of,
    progress_of,
    publication_of,
    trends_of,
)
from tuppence.usecases.replay_night import compare_nights, replay_night

MAX_PROBLEMS: Final = 12
"""Maximum number of reasons for unknown results that are listed."""
MAX_FOLLOWERS: Final = 50
"""Maximum number of pages that follow a run at the same time."""
EVERY: Final = 0.5
"""Seconds between two looks at the ledger for those who follow a run."""
_SECTION: Final = "Nights"


class Row(NamedTuple):
    """A rule of the last night.

    Attributes:
        rule_id: The rule.
        title: Its title.
        qualified: Number of customers who qualified.
        unknown: Number of customers for whom it was unknown.
        before: Number who qualified in the night before; None if that is not known.
        trend: Numbers who qualified in the nights, oldest first.
        usual: The numbers who qualified, beside those of the nights before.
        usually_unknown: The numbers for whom it was unknown, beside those of the nights before.
    """

    rule_id: str
    title: str
    qualified: int
    unknown: int
    before: int | None
    trend: tuple[int | None, ...]
    usual: Drift
    usually_unknown: Drift

    @property
    def is_unusual(self) -> bool:
        """True if one of the numbers has drifted."""
        return self.usual.is_unusual or self.usually_unknown.is_unusual


class ShownNight(NamedTuple):
    """A run of the list.

    Attributes:
        night: The run.
        took: Its duration, in words, or empty.
        cost: Its cost, or empty.
        published: The difference between its rules and those of the run before; None if there is
            none, or it is not known.
        before: The run before, if it finished; else empty.
    """

    night: Night
    took: str
    cost: str
    published: Publication | None
    before: str


class NightsPages:
    """The pages of the nights.

    Args:
        deps: The ports of the console.
        pages: Renders the templates.
    """

    def __init__(self, deps: ConsoleDependencies, pages: Pages) -> None:
        self._deps = deps
        self._pages = pages
        self._replaying = asyncio.Semaphore(1)
        self._followers = 0

    async def home(self, request: Request) -> Response:
        """List the last nights, and the rules of the newest one."""
        del request

        def read() -> tuple[list[ShownNight], list[Row], tuple[bool, ...]]:
            nights = nights_of(self._deps.store)
            days = by_day(nights)
            rules = self._rules_of(nights)
            newest = rules.get(days[0].run.ruleset, {}) if days else {}
            titles = {name: rule.title for name, rule in newest.items()}
            rows = [row for one in trends_of(days) if (row := _row(one, titles))]
            marks = [
                one.run.ruleset != next_.run.ruleset for one, next_ in itertools.pairwise(days)
            ]
            shown = [self._shown(one, before, rules) for one, before in _pairs(nights)]
            return shown, rows, (*reversed([*marks, False][: len(days)]),)

        nights, rows, marks = await run_in_threadpool(read)
        newest = nights[0].night if nights else None
        running = None
        if newest is not None and not newest.run.finished:
            running = newest.run.run_id
        return self._pages.page(
            "nights.html",
            "Nights",
            _SECTION,
            nights=nights,
            rows=sorted(rows, key=lambda row: (not row.is_unusual, row.rule_id)),
            marks=marks,
            problems=newest.tally.problems[:MAX_PROBLEMS] if newest else (),
            running=running,
            may={one: may(PERSON.get(), f"/nights/{one}", "POST") for one in ("replay", "compare")},
            progress=None if newest is None else progress_of(newest, self._deps.feeds.clock()),
        )

    async def events(self, request: Request) -> Response:
        """Send the progress of the newest run again and again, until it has finished."""
        wanted = request.query_params.get("run", "")
        if self._followers >= MAX_FOLLOWERS:
            message = f"more than {MAX_FOLLOWERS} pages follow the run already"
            raise UserError("service.busy", message, "load the page again to see the progress")
        self._followers += 1
        headers = {"x-accel-buffering": "no"}
        return StreamingResponse(
            self._progress(request, wanted), media_type="text/event-stream", headers=headers
        )

    async def _progress(self, request: Request, wanted: str) -> AsyncIterator[bytes]:
        try:
            while not await request.is_disconnected():
                found = await run_in_threadpool(nights_of, self._deps.store, 1)
                if not found or found[0].run.run_id != wanted:
                    yield b'data: {"finished":true}\n\n'  # another run has begun: the page reloads
                    return
                progress = progress_of(found[0], self._deps.feeds.clock())
                yield b"data: " + msgspec.json.encode(progress._asdict()) + b"\n\n"
                if progress.finished:
                    return
                await asyncio.sleep(EVERY)
        finally:
            self._followers -= 1

    async def replay(self, request: Request) -> Response:
        """Evaluate a past night again, and show where it finds something else."""
        run = field_of(await read_form(request), "run")
        deps = self._deps
        async with self._replaying:
            found = await run_in_threadpool(
                replay_night, deps.store, run, deps.purposes, deps.today(), deps.threads
            )
        different = [one for one in found.rules if one.differs]
        return self._pages.page(
            "replay.html", "Replay", _SECTION, found=found, different=different, run=run
        )

    async def compare(self, request: Request) -> Response:
        """Show how many the rules of two nights find, and for which customers they differ."""
        form = await read_form(request)
        before, after = field_of(form, "before"), field_of(form, "run")
        deps = self._deps
        async with self._replaying:
            found = await run_in_threadpool(
                compare_nights,
                *(deps.store, before, after, deps.purposes, deps.today(), deps.threads),
            )
        named = list(dict.fromkeys(one.customer for one in found.results))
        if named:
            await run_in_threadpool(deps.note_read, "comparison of two nights", named)
        rules = [one for one in found.rules if one.change is not RuleChange.SAME]
        return self._pages.page(
            "compared.html",
            "Comparison",
            _SECTION,
            found=found,
            rules=rules,
            listed=len(named),
            before=before,
            after=after,
        )

    def _rules_of(self, nights: Sequence[Night]) -> Mapping[str, Mapping[str, Rule]]:
        """Return the rules of each ruleset that is still there and can be read."""
        found = {}
        for digest in {night.run.ruleset for night in nights}:
            try:
                found[digest] = self._deps.store.rules(digest)
            except UserError as error:
                if error.code not in {"ruleset.unknown", "ruleset.format"}:
                    raise
        return found

    def _shown(
        self, night: Night, before: Night | None, rules: Mapping[str, Mapping[str, Rule]]
    ) -> ShownNight:
        published = None
        now = rules.get(night.run.ruleset)
        then = None if before is None else rules.get(before.run.ruleset)
        if now is not None and then is not None and now != then:
            published = publication_of(now, then)
        earlier = "" if before is None or not before.run.finished else before.run.run_id
        seconds = night.seconds
        if seconds is None:
            return ShownNight(night, "", "", published, earlier)
        cost = ""
        if night.run.processors:
            cost = money(seconds * night.run.processors / 3_600 * self._deps.hour)
        return ShownNight(night, _duration(seconds), cost, published, earlier)


def _pairs(nights: Sequence[Night]) -> list[tuple[Night, Night | None]]:
    return [*zip(nights, [*nights[1:], None], strict=True)] if nights else []


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def _row(trend: Trend, titles: Mapping[str, str]) -> Row | None:
    newest = trend.counts[0]
    if newest is None:
        return None
    counts = tuple(None if one is None else one.qualified for one in trend.counts)
    before = counts[1] if len(counts) > 1 else None
    title = titles.get(trend.rule_id, trend.rule_id)
    numbers = (newest.qualified, newest.unknown, before)
    return Row(trend.rule_id, title, *numbers, counts[::-1], trend.qualified, trend.unknown)
