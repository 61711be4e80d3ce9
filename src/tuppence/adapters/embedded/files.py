"""Writing so that a kill at any moment leaves the old content or the new, never a mixture."""

import contextlib
import errno
import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from tuppence.errors import UserError

PRIVATE: Final = 0o600
"""Mode of files with personal data, whatever the umask: for their owner alone."""
PUBLIC: Final = 0o666
"""Mode of files without any, such as rulesets: the umask decides who may read them."""


def read_file(path: Path) -> bytes:
    """Return the content of a file.

    Raises:
        FileNotFoundError: There is none.
        UserError: It may not or cannot be read.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise
    except PermissionError:
        message = f"{path}: may not be read"
        raise UserError("store.permission", message, "ask its owner to let you read it") from None
    except OSError as error:
        message = f"{path}: cannot be read: {error.strerror or error}"
        raise UserError("store.disk", message, "check the disk, then try again") from error


def make_private_folder(path: Path) -> None:
    """Make a folder for its owner alone, and the folders above it, where they are missing."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)


def sync(path: Path) -> None:
    """Have the system put a file or a folder's entries on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_atomically(path: Path, content: bytes, mode: int = PRIVATE) -> None:
    """Put content under a name, in place of what is there."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.unlink(missing_ok=True)  # left by a process that was killed
    _write_new(temporary, content, mode)
    temporary.replace(path)
    sync(path.parent)


def write_folder(path: Path, files: Mapping[str, bytes]) -> None:
    """Make a folder with these files; one of that name holds the same already."""
    if path.exists():
        return
    temporary = path.with_name(f".{path.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        make_private_folder(temporary)
        for name, content in files.items():
            _write_new(temporary / name, content, PRIVATE)
        sync(temporary)
        temporary.rename(path)
        sync(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _write_new(path: Path, content: bytes, mode: int) -> None:
    """Make a file, and have the system put it on the disk."""
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def exclusive(path: Path, what: str) -> Iterator[None]:
    """Hold a lock file; the system lets go of it however the process ends.

    Raises:
        UserError: Another process holds it.
    """
    with disk_errors(path):
        make_private_folder(path.parent)
        opened = os.open(path, os.O_CREAT | os.O_RDWR, PRIVATE)
    with os.fdopen(opened) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            message = f"{path.parent}: another process is {what}"
            raise UserError("store.busy", message, "wait until it has finished") from None
        yield


@contextlib.contextmanager
def disk_errors(where: Path) -> Iterator[None]:
    """Turn the system's refusals to write into an error a person can act on."""
    try:
        yield
    except OSError as error:
        if isinstance(error, PermissionError) or error.errno == errno.EROFS:
            raise UserError("store.permission", f"{where}: may not be written") from None
        message = f"{where}: could not be written: {error.strerror or error}"
        hint = "nothing was changed; make room on the disk and try again"
        raise UserError("store.disk", message, hint) from error
