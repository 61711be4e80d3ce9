"""Objects below an address such as s3://bucket/store, gs://…, az://… or file:///shared/store.

The library retries what fails for a while, with growing pauses. Credentials come from where the
machine has them: the environment, a role of the container, or an identity of the cluster. Without
TLS nothing is sent, unless AWS_ALLOW_HTTP=true says that it may be: to an emulator on loopback.
"""

import contextlib
import datetime
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

import obstore
from filelock import FileLock
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)
from obstore.store import from_url

from tuppence.adapters.embedded.manifest import RESTORE
from tuppence.errors import TransientError, UserError

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig

_RETRIES: "Final[RetryConfig]" = {
    "max_retries": 12,
    "retry_timeout": datetime.timedelta(minutes=3),
    "backoff": {
        "init_backoff": datetime.timedelta(milliseconds=50),
        "max_backoff": datetime.timedelta(seconds=10),
        "base": 2,
    },
}
_LONGEST: Final = 200
"""Maximum length of a reason in an error."""


class Objects:
    """The objects below an address; as text it is the address.

    Args:
        address: The address.

    Raises:
        UserError: There are no objects at such addresses.
    """

    def __init__(self, address: str) -> None:
        self._address = address.rstrip("/")
        parts = urlsplit(address)
        self._folder = Path(unquote(parts.path)) if parts.scheme == "file" else None
        client: ClientConfig = {
            "timeout": "60s",
            "connect_timeout": "5s",
            "allow_http": os.environ.get("AWS_ALLOW_HTTP", "").lower() == "true",
        }
        try:
            self._store = (
                from_url(self._address, client_options=client, retry_config=_RETRIES)
                if self._folder is None
                else from_url(self._address, mkdir=True)
            )
        except (BaseError, ValueError) as error:
            message = f"{address}: this is no address of a store: {_reason(error)}"
            hint = "write it as s3://BUCKET/STORE, or file:///FOLDER on a disk that is shared"
            raise UserError("store.address", message, hint) from None

    def __str__(self) -> str:
        return self._address

    def path(self, name: str) -> str:
        """Return the path of an object in its bucket."""
        return f"{urlsplit(self._address).path.strip('/')}/{name}".lstrip("/")

    def get(self, name: str) -> tuple[bytes, str]:
        """Return an object, and the name of this version of it.

        Raises:
            FileNotFoundError: There is none.
        """
        with self._errors(name):
            found = obstore.get(self._store, name)
            return bytes(found.bytes()), found.meta["e_tag"] or ""

    def ranges(self, name: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return parts of an object, from the first byte to that after the last.

        Raises:
            FileNotFoundError: There is none.
            UserError: It has not so many bytes.
        """
        starts, stops = [start for start, _ in ranges], [stop for _, stop in ranges]
        with self._errors(name):
            if self._folder is not None:  # the library panics if a file is too short
                self._check_size(name, max(stops, default=0))
            try:
                found = obstore.get_ranges(self._store, name, starts=starts, ends=stops)
            except BaseError:
                self._check_size(name, max(stops, default=0))
                raise
            return [bytes(part) for part in found]

    def _check_size(self, name: str, size: int) -> None:
        """Raise UserError if an object has fewer bytes than were put there."""
        if obstore.head(self._store, name)["size"] < size:
            message = f"{self._address}/{name}: damaged: it is shorter than on record"
            raise UserError("store.corrupt", message, RESTORE)

    def put(self, name: str, content: bytes) -> None:
        """Put an object, in place of one of that name."""
        with self._errors(name):
            obstore.put(self._store, name, content, use_multipart=False)

    def create(self, name: str, content: bytes) -> bool:
        """Put an object unless there is one of that name, and return whether it is this one now."""
        try:
            with self._errors(name):
                obstore.put(self._store, name, content, mode="create", use_multipart=False)
        except (AlreadyExistsError, PreconditionError):
            return self._is(name, content)
        return True

    def replace(self, name: str, content: bytes, version: str) -> bool:
        """Put an object in place of a version of it, and return whether it is this one now."""
        try:
            with self._errors(name):
                if self._folder is not None:
                    self._replace_file(self._folder, name, content, version)
                else:
                    obstore.put(
                        self._store, name, content, mode={"e_tag": version}, use_multipart=False
                    )
        except (PreconditionError, AlreadyExistsError):
            return self._is(name, content)
        return True

    def _replace_file(self, folder: Path, name: str, content: bytes, version: str) -> None:
        """Do under a lock what a folder cannot do by itself."""
        with FileLock(folder / f"{name}.lock", mode=0o600):
            if obstore.head(self._store, name)["e_tag"] != version:
                raise PreconditionError
            obstore.put(self._store, name, content, use_multipart=False)

    def _is(self, name: str, content: bytes) -> bool:
        """Return whether an object is there already: a try that seemed to fail may have put it."""
        try:
            return self.get(name)[0] == content
        except FileNotFoundError:
            return False

    def names(self, prefix: str) -> list[tuple[str, datetime.datetime]]:
        """Return the names of the objects in a folder, with the times when they were put."""
        with self._errors(prefix):
            return [
                (entry["path"], entry["last_modified"])
                for chunk in obstore.list(self._store, prefix)
                for entry in chunk
            ]

    def delete(self, names: Sequence[str]) -> None:
        """Delete objects, which may be gone already."""
        if names:
            with self._errors(names[0]), contextlib.suppress(FileNotFoundError):
                obstore.delete(self._store, list(names))

    @contextlib.contextmanager
    def _errors(self, name: str) -> Iterator[None]:
        """Turn the errors of the library into errors that a person can act on."""
        where = f"{self._address}/{name}"
        try:
            yield
        except (AlreadyExistsError, PreconditionError, FileNotFoundError):
            raise
        except (PermissionDeniedError, UnauthenticatedError, PermissionError) as error:
            message = f"{where}: access was refused: {_reason(error)}"
            hint = "see which credentials this machine has, and what they may do"
            raise UserError("store.permission", message, hint) from None
        except (BaseError, OSError) as error:
            message = f"{where}: cannot be reached: {_reason(error)}"
            raise TransientError("store.unreachable", message, "try again later") from None


def _reason(error: Exception) -> str:
    """Return the first line of an error."""
    return str(error).partition("\n")[0][:_LONGEST]
