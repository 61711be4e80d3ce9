"""The progress of a run, by its ledger."""

import msgspec

from tuppence.usecases.fleet.ports import FleetLedger


class Progress(msgspec.Struct, frozen=True):
    """The progress of a run.

    Attributes:
        run_id: Name of the run.
        as_of: Date of the run.
        ruleset: Digest of its ruleset.
        listed: Whether every customer is on a page.
        pages: Number of pages.
        unsplit: Number of pages that are neither split into items nor given up.
        given_up_pages: Number of pages that were given up, and not split since.
        items: Number of items on the pages that are split.
        done: Number of items that are done.
        given_up: Number of items of which customers were given up, and not done since.
        complete: Whether everything is listed, split and done.
        ended: Whether everything is listed, and done or given up.
        titles: Name of everything that was given up, and the reason.
    """

    run_id: str
    as_of: str
    ruleset: str
    listed: bool
    pages: int
    unsplit: int
    given_up_pages: int
    items: int
    done: int
    given_up: int
    complete: bool
    ended: bool
    titles: tuple[str, ...]


def progress(run_id: str, ledger: FleetLedger) -> Progress:
    """Return the progress of a run.

    Raises:
        UserError: There is no run of that name.
    """
    run, states = ledger.read(run_id)
    split = lost = items = done = given_up = ended = 0
    titles: list[tuple[int, int, str]] = []
    for state in states:
        left = state.given_up.keys() - state.done
        titles += [(state.number, number, state.given_up[number].title) for number in left]
        items += state.items or 0
        done += len(state.done)
        given_up += len(left)
        if state.items is not None:
            split += 1
            ended += len(state.done) + len(left) == state.items
        elif state.page is not None:
            lost += 1
            ended += 1
            titles.append((state.number, -1, state.page.title))
    return Progress(
        run_id=run.run_id,
        as_of=run.as_of,
        ruleset=run.ruleset,
        listed=run.listed,
        pages=run.pages,
        unsplit=run.pages - split - lost,
        given_up_pages=lost,
        items=items,
        done=done,
        given_up=given_up,
        complete=run.listed and ended == run.pages and not titles,
        ended=run.listed and ended == run.pages,
        titles=tuple(title for *_, title in sorted(titles)),
    )
