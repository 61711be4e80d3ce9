"""An inbox of files in a bucket.

inbox/SOURCE/mapping.yaml         how the files of a source are read; it stays
inbox/SOURCE/FILE                 a file that has arrived; one outside of the folders is refused
imported/SOURCE/FILE              a file that was imported
imported/SOURCE/FILE.rejects.csv  its rows that could not be taken, with the reasons
refused/SOURCE/FILE               a file that could not be imported
refused/SOURCE/FILE.reason.txt    why

A file whose key is too long is refused as refused/long/DIGEST, named by the digest of its key.
"""

import datetime
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import ClientError

from tuppence.adapters.aws.clients import aws_errors, error_code
from tuppence.errors import UserError
from tuppence.usecases.take_in_files import MAPPING, Arrived

INBOX: Final = "inbox/"
IMPORTED: Final = "imported/"
REFUSED: Final = "refused/"
MISSING: Final = frozenset({"404", "NoSuchKey"})
REPLACED: Final = frozenset({"412", "PreconditionFailed"})
MAX_NAME: Final = 200
"""Maximum length of a file's name, in bytes: on disk, with the label of its rejects, 255."""
MAX_KEY: Final = 900
"""Maximum length of a file's key, in bytes: in S3, with other labels around it, 1,024."""


class S3Inbox:
    """An inbox of files in a bucket. Implements the port Inbox.

    Args:
        client: Client of S3.
        bucket: Name of the bucket.
        max_bytes: Maximum size of a file.
    """

    def __init__(self, client: Any, bucket: str, max_bytes: int) -> None:
        self._client = client
        self._bucket = bucket
        self._max_bytes = max_bytes
        self._versions: dict[Arrived, str] = {}

    def waiting(self) -> Sequence[Arrived]:
        """Return the files that wait, the oldest first."""
        found = sorted(self._listed())
        self._versions.update((file, version) for _, file, version in found)
        return [file for _, file, _ in found]

    def arrivals(self) -> Sequence[datetime.datetime]:
        """Return the moments at which the files that wait have arrived."""
        return [moment for moment, _, _ in self._listed()]

    def _listed(self) -> Iterator[tuple[datetime.datetime, Arrived, str]]:
        """Yield the files that wait, each with the moment of its arrival and its version."""
        with self._errors():
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=INBOX
            )
            for page in pages:
                for stored in page.get("Contents", ()):
                    source, _, name = stored["Key"].removeprefix(INBOX).rpartition("/")
                    if name and (name != MAPPING or not source):
                        yield stored["LastModified"], Arrived(source, name), stored["ETag"]

    def fetch(self, file: Arrived, folder: Path) -> Path:
        """Copy a file into a folder, and return its path."""
        key = _key(INBOX, file)
        too_long = len(file.name.encode()) > MAX_NAME or len(key.encode()) > MAX_KEY
        if too_long or file.name in {".", ".."} or "\0" in file.name:
            message = f"s3://{self._bucket}/{key}: its name is too long, or not that of a file"
            raise UserError("file.name", message, "rename it")
        path = folder / file.name
        with self._errors():
            try:
                answer = self._client.get_object(Bucket=self._bucket, Key=key)
            except ClientError as error:
                if error_code(error) not in MISSING:
                    raise
                message = f"s3://{self._bucket}/{key}: there is no such file"
                raise UserError("file.missing", message) from None
            self._versions[file] = answer["ETag"]
            if answer["ContentLength"] > self._max_bytes:
                message = f"s3://{self._bucket}/{key}: larger than {self._max_bytes:,} bytes"
                raise UserError("file.large", message, "split it into several files")
            with path.open("wb") as copy:
                for chunk in answer["Body"].iter_chunks(1 << 20):
                    copy.write(chunk)
        return path

    def finish(self, file: Arrived, rejects: Path | None) -> None:
        """Move an imported file out of the way, with its rejects beside it."""
        beside = None if rejects is None else rejects.read_bytes()
        self._move(file, IMPORTED, ".rejects.csv", beside)

    def refuse(self, file: Arrived, reason: str) -> None:
        """Move a file that cannot be imported out of the way, with the reason beside it."""
        self._move(file, REFUSED, ".reason.txt", f"{reason}\n".encode())

    def _move(self, file: Arrived, to: str, suffix: str, beside: bytes | None) -> None:
        """Copy a file, then write what goes beside it, and remove it from the inbox last.

        A file that was replaced meanwhile stays in the inbox, where it waits as a new one; one that
        was removed needs no move.
        """
        key = _key(INBOX, file)
        if len(key.encode()) > MAX_KEY:
            kept = _key(to, Arrived("long", hashlib.sha256(key.encode()).hexdigest()))
        else:
            kept = _key(to, file)
        version = self._versions[file]
        with self._errors():
            try:
                self._client.copy_object(
                    Bucket=self._bucket,
                    Key=kept,
                    CopySource={"Bucket": self._bucket, "Key": key},
                    CopySourceIfMatch=version,
                    TaggingDirective="REPLACE",  # tags would need further permissions
                )
                if beside is None:
                    self._client.delete_object(Bucket=self._bucket, Key=kept + suffix)
                else:
                    self._client.put_object(Bucket=self._bucket, Key=kept + suffix, Body=beside)
                self._client.delete_object(Bucket=self._bucket, Key=key, IfMatch=version)
            except ClientError as error:
                if error_code(error) not in REPLACED | MISSING:
                    raise

    def _errors(self) -> Any:
        return aws_errors("inbox", f"s3://{self._bucket}/")


def _key(prefix: str, file: Arrived) -> str:
    return "/".join((prefix.removesuffix("/"), *filter(None, file)))
