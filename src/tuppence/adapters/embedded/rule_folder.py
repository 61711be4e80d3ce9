"""Rules in a folder of YAML files, which people and programs may also change by themselves."""

import hashlib
import re
import shutil
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from tuppence.adapters.embedded.files import PUBLIC, disk_errors, write_atomically
from tuppence.errors import UserError
from tuppence.rules.files import CATALOGUE
from tuppence.structured import is_folder, read_text
from tuppence.usecases.edit_rules import StoredRule
from tuppence.usecases.team import Person

_SUFFIX: Final = ".yaml"
_NEW: Final = re.compile("[a-z][a-z0-9_]{0,63}")
_MAX_NAME: Final = 200


class RuleFolder:
    """A folder of rule files. Implements the port RuleFiles.

    Args:
        folder: The folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()

    def __str__(self) -> str:
        return str(self._folder)

    def everything(self) -> Iterator[tuple[str, StoredRule | UserError]]:
        """Yield each rule file; its name is its path in the folder, without `.yaml`."""
        is_folder(self._folder)  # raises if there is none
        for path in sorted(self._folder.rglob(f"*{_SUFFIX}")):
            if path.is_file():
                name = path.relative_to(self._folder).as_posix().removesuffix(_SUFFIX)
                try:
                    yield name, self.read(name)
                except UserError as error:
                    yield name, error

    def has(self, name: str) -> bool:
        """Return whether there is a rule file of a name."""
        path = PurePosixPath(name)
        is_inside = path.as_posix() == name and not path.is_absolute() and ".." not in path.parts
        return is_inside and len(name.encode()) <= _MAX_NAME and self.path_of(name).is_file()

    def path_of(self, name: str) -> Path:
        """Return the file of a name."""
        return self._folder / f"{name}{_SUFFIX}"

    def read(self, name: str) -> StoredRule:
        """Return a rule file.

        Raises:
            UserError: There is no such file, or it cannot be read.
        """
        if not self.has(name):
            message = f"{self}: there is no rule file {name}{_SUFFIX}"
            raise UserError("rule.missing", message, "it may have been removed or renamed")
        path = self.path_of(name)
        text = read_text(path)
        return StoredRule(name, path, text, _version(text))

    def write(self, name: str, text: str, base: str, person: Person, reason: str) -> StoredRule:
        """Replace a rule file, or make a new one.

        Args:
            name: Its name.
            text: Its text.
            base: The version that the text was made from; empty for a new file.
            person: Whoever has written it; a folder does not record that.
            reason: Their reason; not recorded either.

        Raises:
            UserError: `rule.conflict`: the file has another version by now.
        """
        del person, reason
        with self._lock:
            is_there = self.has(name)
            if not is_there and not _NEW.fullmatch(name):
                message = f"{name[:80]!r} is no name for a rule"
                hint = "write small letters, digits and _, with a letter first"
                raise UserError("rule.name", message, hint)
            found = self.read(name).version if is_there else ""
            if found != base:
                what = "this file has been changed since you opened it"
                if not found or not base:
                    what = "this file was removed" if base else "there is a file of this name now"
                message = f"{self.path_of(name)}: {what}"
                raise UserError("rule.conflict", message, "compare both versions")
            path = self.path_of(name)
            with disk_errors(path):
                write_atomically(path, text.encode(), PUBLIC)
            return StoredRule(name, path, text, _version(text))


def copy_catalogue(folder: Path) -> bool:
    """Copy the rules of the package to a folder that does not exist; return False if it does."""
    if folder.exists():
        return False
    whole = folder.with_name(f".{folder.name}.tmp")
    with disk_errors(folder):
        shutil.rmtree(whole, ignore_errors=True)
        shutil.copytree(CATALOGUE, whole, ignore=lambda _, names: _others(names))
        whole.rename(folder)
    return True


def _others(names: Sequence[str]) -> list[str]:
    return [name for name in names if not name.endswith(_SUFFIX)]


def _version(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
