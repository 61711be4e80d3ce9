"""A fleet in memory: a ledger and queues that lose nothing and can be made to misbehave."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec.structs import replace

from tuppence.errors import UserError
from tuppence.feel.values import Date
from tuppence.usecases.fleet.messages import (
    FleetItem,
    FleetRun,
    GivenUp,
    Page,
    PageName,
    PageState,
)


class MemoryLedger:
    """Implements the port FleetLedger."""

    def __init__(self) -> None:
        self._runs: dict[str, FleetRun] = {}
        self._pages: dict[PageName, PageState] = {}
        self._nights: dict[str, str] = {}

    def begin(self, run: FleetRun) -> FleetRun:
        if run.as_of < self.latest():
            raise UserError("results.older", f"the latest run is as of {self.latest()}")
        there = self._runs.setdefault(run.run_id, run)
        if (there.as_of, there.ruleset) != (run.as_of, run.ruleset):
            message = f"the run {run.run_id} is as of {there.as_of}, with ruleset {there.ruleset}"
            raise UserError("run.different", message)
        if not run.prefix and not run.chosen:
            self._nights[run.as_of] = run.run_id
        return there

    def compare_and_set(self, before: FleetRun, after: FleetRun) -> FleetRun:
        there = self._runs[before.run_id]
        if (there.pages, there.listed) == (before.pages, before.listed):
            self._runs[before.run_id] = after
        return self._runs[before.run_id]

    def record(self, page: PageName, items: int | None = None, done: Iterable[int] = ()) -> None:
        state = self._state(page)
        self._pages[page] = replace(
            state,
            items=state.items if items is None else items,
            done=state.done | set(done),
        )

    def give_up(self, given_up: GivenUp) -> None:
        self._set_given_up(given_up.work, given_up)

    def forget(self, given_up: GivenUp) -> None:
        if self._given_up(given_up.work) == given_up:
            self._set_given_up(given_up.work, None)

    def _given_up(self, work: Page | FleetItem) -> GivenUp | None:
        if isinstance(work, Page):
            return self._state(work.name).page
        return self._state(work.page_name).given_up.get(work.number)

    def _set_given_up(self, work: Page | FleetItem, entry: GivenUp | None) -> None:
        if isinstance(work, Page):
            self._pages[work.name] = replace(self._state(work.name), page=entry)
            return
        state = self._state(work.page_name)
        others = {number: one for number, one in state.given_up.items() if number != work.number}
        mine = {} if entry is None else {work.number: entry}
        self._pages[work.page_name] = replace(state, given_up=others | mine)

    def _state(self, page: PageName) -> PageState:
        return self._pages.get(page, PageState(page.number, None, frozenset(), {}))

    def read(self, run_id: str) -> tuple[FleetRun, Iterator[PageState]]:
        if run_id not in self._runs:
            raise UserError("run.unknown", f"the ledger has no run {run_id}")
        mine = [state for name, state in self._pages.items() if name.run_id == run_id]
        return self._runs[run_id], iter(mine)

    def latest(self) -> str:
        return max((run.as_of for run in self._runs.values()), default="")

    def night(self, as_of: str) -> str | None:
        return self._nights.get(as_of)


class MemoryQueue:
    """Implements the port Queue; it takes `room` messages more, then none."""

    def __init__(self, room: int = 1_000_000) -> None:
        self.messages: list[Page | FleetItem] = []
        self.delays: dict[str, int] = {}
        self.room = room

    def send(self, messages: Sequence[Page | FleetItem]) -> None:
        taken = list(messages)[: self.room]
        self.messages += taken
        self.room -= len(taken)
        if len(taken) < len(messages):
            raise UserError("queue.unavailable", "the queue is full")

    def postpone(self, delays: Mapping[str, int]) -> None:
        self.delays |= delays


class People:
    """Implements the port Customers."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = sorted(names)

    def page(self, after: str, as_of: Date, limit: int) -> Sequence[str]:
        assert as_of
        return [name for name in self.names if name > after][:limit]


class Context:
    """The context that AWS gives a function with its call."""

    function_name = "f"
    memory_limit_in_mb = 128
    invoked_function_arn = "arn:aws:lambda:eu-west-1:000000000000:function:f"
    aws_request_id = "1"

    def __init__(self, *milliseconds: int) -> None:
        self.left = list(milliseconds)

    def get_remaining_time_in_millis(self) -> int:
        return self.left.pop(0) if len(self.left) > 1 else self.left[0]
