"""Objects in S3 that are named by the digests of their bytes and never overwritten."""

import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Final, NamedTuple, Protocol

from botocore.exceptions import ClientError

from tuppence.adapters.aws.clients import aws_errors, error_code
from tuppence.errors import UserError


class Named(Protocol):
    """Bytes with the digest that names them."""

    @property
    def digest(self) -> str:
        """The name."""
        ...

    @property
    def content(self) -> bytes:
        """The bytes."""
        ...


class StoredObject(NamedTuple):
    """The content of an object, and the entity tag of exactly this content."""

    content: bytes
    tag: str


class DigestBucket(ABC):
    """A part of a bucket with one object each.

    Args:
        client: Client of S3.
        bucket: Name of the bucket.
        prefix: Prefix of every key, such as `rulesets/`.
    """

    code: ClassVar[str]
    """First part of the codes of errors of AWS."""

    def __init__(self, client: Any, bucket: str, prefix: str) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = prefix

    @abstractmethod
    def unknown(self, digest: str) -> UserError:
        """Return the error that there is nothing of this name."""

    @abstractmethod
    def damaged(self, address: str, problem: str) -> UserError:
        """Return the error that an object is damaged."""

    def put(self, one: Named) -> None:
        """Store a thing, unless it is already stored."""
        key = self._key(one.digest)
        with self._errors(key):
            try:
                self._client.put_object(
                    Bucket=self._bucket, Key=key, Body=one.content, IfNoneMatch="*"
                )
            except ClientError as error:
                if error_code(error) not in CHANGED_MEANWHILE:
                    raise

    def get(self, digest: str) -> bytes:
        """Return the canonical bytes of a thing.

        Raises:
            UserError: There is no such thing, or its object is damaged.
        """
        stored = self._read(self._key(digest)) if re.fullmatch("[0-9a-f]{16}", digest) else None
        if stored is None:
            raise self.unknown(digest)
        if hashlib.sha256(stored.content).hexdigest()[:16] != digest:
            raise self.damaged(self._address(self._key(digest)), "damaged")
        return stored.content

    def digests(self) -> Sequence[str]:
        """Return the digests of everything that is stored."""
        with self._errors(self._prefix):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=self._prefix
            )
            keys = [entry["Key"] for page in pages for entry in page.get("Contents", ())]
        names = (key.removeprefix(self._prefix) for key in keys)
        return sorted(name.removesuffix(".json") for name in names if name.endswith(".json"))

    def _key(self, digest: str) -> str:
        return f"{self._prefix}{digest}.json"

    def _read(self, key: str) -> StoredObject | None:
        with self._errors(key):
            try:
                answer = self._client.get_object(Bucket=self._bucket, Key=key)
                return StoredObject(answer["Body"].read(), answer["ETag"])
            except ClientError as error:
                if error_code(error) == "NoSuchKey":
                    return None
                raise

    def _address(self, key: str) -> str:
        return f"s3://{self._bucket}/{key}"

    def _errors(self, key: str) -> Any:
        return aws_errors(self.code, self._address(key))


CHANGED_MEANWHILE: Final = frozenset({"PreconditionFailed", "ConditionalRequestConflict"})
"""Codes of the errors that a condition of a write did not hold."""
