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
        unsplit: Number of pages that are not split into items yet.
        items: Number of items on the pages that are split.
        done: Number of items that are done.
        dead_lettered: Number of items that were given up, and not done since.
        complete: Whether everything is listed, split and done.
        ended: Whether everything is listed and split, and done or given up.
        titles: Name of each item that was given up, and the reason.
    """

    run_id: str
    as_of: str
    ruleset: str
    listed: bool
    pages: int
    unsplit: int
    items: int
    done: int
    dead_lettered: int
    complete: bool
    ended: bool
    titles: tuple[str, ...]


def progress(run_id: str, ledger: FleetLedger) -> Progress:
    """Return the progress of a run.

    Raises:
        UserError: There is no run of that name.
    """
    run, states = ledger.read(run_id)
    split = items = done = 0
    titles: list[tuple[int, int, str]] = []
    for state in states:
        split += state.items is not None
        items += state.items or 0
        done += len(state.done)
        left = state.given_up.keys() - state.done
        titles += [(state.number, number, state.given_up[number]) for number in left]
    settled = run.listed and split == run.pages
    return Progress(
        run.run_id,
        run.as_of,
        run.ruleset,
        run.listed,
        run.pages,
        run.pages - split,
        items,
        done,
        len(titles),
        settled and done == items,
        settled and done + len(titles) == items,
        tuple(title for _, _, title in sorted(titles)),
    )
