"""The lock of a store: a command that changes a store holds it from beginning to end.

Readers take no lock: the manifest of the facts and the databases change in one step each, and
`consistent` reads the facts again where a change removed a file that a reader still needed.
"""

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeVar

from filelock import FileLock, Timeout

from tuppence.adapters.embedded import layout
from tuppence.adapters.embedded.files import disk_errors, make_private_folder
from tuppence.errors import UserError

T = TypeVar("T")

WAIT_SECONDS: Final = 600.0
MAX_READS: Final = 20


class StoreChangedError(UserError):
    """Raised when a file is gone because the store was changed after reading had begun.

    Args:
        store: The store's directory or address.
    """

    def __init__(self, store: object) -> None:
        message = f"{store}: the store was changed again and again while it was read"
        super().__init__("store.changed", message, "run the same command again")
        self._store = str(store)

    def __reduce__(self) -> tuple[type["StoreChangedError"], tuple[str]]:
        """Support pickling, so that other processes can return the error."""
        return StoreChangedError, (self._store,)


@contextlib.contextmanager
def locked(
    store: Path,
    command: str = "writing",
    say: Callable[[str], None] = lambda _: None,
    wait_seconds: float = WAIT_SECONDS,
) -> Iterator[None]:
    """Hold the lock of a store, and remove temporary files that an interrupted command left.

    Args:
        store: The store's directory; made where it is missing.
        command: Shown to other commands that wait for this one, such as "import csv".
        say: Called with one sentence before waiting.
        wait_seconds: Maximum seconds to wait for another holder.

    Raises:
        UserError: Another command held the lock for longer, or the lock file cannot be written.
    """
    if store.exists() and not store.is_dir():
        raise UserError("store.folder", f"{store}: this is not a folder", "name another one")
    lock = store / layout.LOCK
    with locked_file(lock, store, command, say, wait_seconds, make_folder=True) as is_outermost:
        if is_outermost:
            with disk_errors(store):
                remove_temporary(store)
        yield


@contextlib.contextmanager
def locked_file(
    path: Path,
    what: Path,
    command: str,
    say: Callable[[str], None] = lambda _: None,
    wait_seconds: float = WAIT_SECONDS,
    *,
    make_folder: bool = False,
) -> Iterator[bool]:
    """Hold a lock file; its text says who does.

    The same thread may hold it several times; what is yielded is whether it did not yet. The system
    releases it when the process ends, however it ends.

    Args:
        path: The lock file, which stays when it is released.
        what: The file or folder that is changed under the lock.
        command: See `locked`; so are `say`, `wait_seconds` and what is raised.
        say: Called with one sentence before waiting.
        wait_seconds: Maximum seconds to wait for another holder.
        make_folder: Make the folder of the file where it is missing.
    """
    with disk_errors(path):
        lock = FileLock(path, is_singleton=True, preserve_lock_file=True, mode=0o600)
        is_outermost = not lock.is_locked
        try:
            _acquire(lock, path, 0, make_folder=make_folder)
        except Timeout:
            say(f"waiting for {_holder(path)}, which is changing {what}")
            try:
                _acquire(lock, path, wait_seconds, make_folder=make_folder)
            except Timeout:
                message = f"{what}: {_holder(path)} is still changing it"
                raise UserError("store.busy", message, "try again when it has ended") from None
    try:
        if is_outermost:
            with contextlib.suppress(OSError):  # a full disk: the note is for people only
                path.write_text(f"tuppence {command} (process {os.getpid()})\n", "utf-8")
        yield is_outermost
    finally:
        lock.release()


def _acquire(lock: FileLock, path: Path, timeout: float, *, make_folder: bool) -> None:
    """Acquire a lock, and see that its file is still the one that others find.

    Its holder may have removed it meanwhile, with a store that could not be made.
    """
    while True:
        if make_folder:
            make_private_folder(path.parent)
        before = _inode(path)
        try:
            lock.acquire(timeout=timeout)
        except FileNotFoundError:
            if not make_folder:
                raise
            continue
        if before is not None and before == _inode(path):
            return
        lock.release()


def _inode(path: Path) -> int | None:
    """Return the number by which the disk knows a file; None where there is no file."""
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None


def consistent(read: Callable[[], T]) -> T:
    """Return the answer of a reader of a store; read again if the store was changed meanwhile.

    Args:
        read: Opens the store and reads all that it needs.

    Raises:
        UserError: The store was changed during each of `MAX_READS` attempts.
    """
    for _ in range(MAX_READS - 1):
        with contextlib.suppress(StoreChangedError):
            return read()
    return read()


def remove_temporary(store: Path) -> None:
    """Remove temporary files and folders; only for the holder of the lock."""
    for path in sorted(store.rglob(".*.tmp"), reverse=True):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _holder(path: Path) -> str:
    """Return who holds a lock, as its file says."""
    try:
        return path.read_text("utf-8").strip() or "another command"
    except OSError:
        return "another command"
