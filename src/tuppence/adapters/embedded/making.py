"""Making a store: on an error nothing of it stays."""

import contextlib
import shutil
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Final

from tuppence.adapters.embedded import layout
from tuppence.adapters.embedded.fact_store import FactStore, is_store
from tuppence.adapters.embedded.locking import locked

_PARTS: Final = (
    layout.FACTS,
    layout.REJECTS,
    layout.CONSENTS,
    layout.IDENTIFIER_KEY,
    layout.LOCK,
)
"""Files that commands put into a new store, in the order of their removal; the lock is last."""


@contextlib.contextmanager
def made_or_removed(store: Path, command: str, say: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock of a store, which may be missing.

    Where the store is new and an error comes before it has any facts, what was made is removed.
    What was in its folder before stays.

    Args:
        store: The folder of the store.
        command: See `locked`; so are `say` and what is raised.
        say: Called with one sentence before waiting.
    """
    parts = (store / name for name in _PARTS)
    there = {path for path in (*parts, store, *store.parents) if path.exists()}
    with locked(store, command, say):
        is_new = not is_store(store)
        try:
            yield
        except BaseException:
            if is_new and not (is_store(store) and FactStore(store).partitions()):
                _remove(store, there)
            raise


def _remove(store: Path, there: Collection[Path]) -> None:
    """Remove a store but for the paths that were there before."""
    (store / layout.FACTS / layout.MANIFEST).unlink(missing_ok=True)
    for path in (store / name for name in _PARTS):
        if path not in there:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
    for folder in (store, *store.parents):
        if folder not in there:
            with contextlib.suppress(OSError):  # somebody has put something into it
                folder.rmdir()
