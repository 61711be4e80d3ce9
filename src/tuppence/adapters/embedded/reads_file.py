"""The record of whose data were seen on one machine: lines of JSON without names of customers."""

import datetime
import json
import os
import secrets
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from tuppence.adapters.embedded import layout
from tuppence.adapters.embedded.files import PRIVATE, disk_errors
from tuppence.errors import UserError
from tuppence.logs import pseudonym
from tuppence.usecases.team import Person


class ReadsFile:
    """The file `reads.jsonl` of a store. Implements the port PersonalReads.

    Its first line has the secret from which pseudonyms are made: who has the file and knows a
    customer's name finds their lines, and after an erasure nobody learns the name from it.

    Args:
        store: The folder of the store.
        clock: Returns the time, in milliseconds since 1970-01-01.
    """

    def __init__(self, store: Path, clock: Callable[[], int]) -> None:
        self._path = store / layout.READS
        self._clock = clock
        self._lock = threading.Lock()

    def note(self, person: Person, customers: Sequence[str], what: str, reason: str = "") -> None:
        """Record that a person is about to see data of customers.

        Raises:
            UserError: The record cannot be written, so that nothing may be shown.
        """
        time = datetime.datetime.fromtimestamp(self._clock() / 1_000, datetime.UTC)
        at = time.isoformat(timespec="seconds").replace("+00:00", "Z")
        with self._lock, disk_errors(self._path):
            key = self._key()
            lines = [
                {"time": at, "customer": pseudonym(key, name), "what": what, "reason": reason}
                | ({"by": person.shown} if person.shown else {})
                for name in customers
            ]
            with self._path.open("a", encoding="utf-8") as file:
                file.writelines(f"{json.dumps(line)}\n" for line in lines)

    def _key(self) -> str:
        try:
            with self._path.open(encoding="utf-8") as file:
                key = json.loads(file.readline())["key"]
        except FileNotFoundError:
            key = secrets.token_urlsafe(32)
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(f"{json.dumps({'key': key})}\n")
        except (ValueError, KeyError, TypeError):
            key = None
        if not isinstance(key, str):
            message = f"{self._path}: its first line is damaged"
            raise UserError("store.corrupt", message, "move the file away: a new one is begun")
        return key
