"""Writing so that a kill at any moment leaves the old content or the new, never a mixture."""

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from tuppence.errors import UserError

PRIVATE: Final = 0o600
"""Mode of files with personal data, whatever the umask: for their owner alone."""
PUBLIC: Final = 0o666
"""Mode of files without any, such as rulesets: the umask decides who may read them."""


def sync(path: Path) -> None:
    """Have the system put a file or a folder's entries on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_file(path: Path) -> bytes:
    """Return the content of a file of a store.

    Raises:
        OSError: It cannot be read, or is a pipe or a device, which could make us wait for ever.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "this is not a file")
    return path.read_bytes()


def make_private_folder(path: Path) -> None:
    """Make a folder for its owner alone, and the folders above it, where they are missing."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)


def write_atomically(path: Path, content: bytes, mode: int = PRIVATE) -> None:
    """Write a file, or replace it; on an error nothing of the new content stays on the disk."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        _write_new(temporary, content, mode)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
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
    with os.fdopen(os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


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
