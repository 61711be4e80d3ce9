"""Rulesets in S3: an object for each, named by its digest and never written twice."""

import hashlib
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from botocore.exceptions import ClientError

from tuppence.adapters.aws.clients import aws_errors, error_code
from tuppence.errors import UserError
from tuppence.usecases.editions import NO_EDITION, Edition

if TYPE_CHECKING:
    from tuppence.rules.ruleset import Ruleset


class S3Rulesets:
    """Implements the port RulesetStore.

    Args:
        client: Of S3.
        bucket: Its versions should be kept: `current` is replaced by each publication.
        prefix: Begins every key, such as `rulesets/`.
        edition: Of the ruleset that is published: it replaces older editions only. None where a
            person chooses a ruleset: it replaces what is there, and takes over its edition.
    """

    def __init__(
        self, client: Any, bucket: str, prefix: str = "", edition: Edition | None = None
    ) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = prefix
        self._edition = edition

    def publishing(self, edition: Edition | None) -> "S3Rulesets":
        """Return the same store, for publishing a ruleset of an edition."""
        return S3Rulesets(self._client, self._bucket, self._prefix, edition)

    def put(self, ruleset: "Ruleset") -> None:
        """Keep a ruleset; one that is there is left as it is."""
        key = self._key(ruleset.digest)
        with self._errors(key):
            try:
                self._client.put_object(
                    Bucket=self._bucket, Key=key, Body=ruleset.content, IfNoneMatch="*"
                )
            except ClientError as error:
                if error_code(error) not in _CHANGED_MEANWHILE:
                    raise

    def get(self, digest: str) -> bytes:
        """The canonical bytes of a ruleset."""
        found = self._read(self._key(digest)) if re.fullmatch("[0-9a-f]{16}", digest) else None
        if found is None:
            raise UserError("ruleset.unknown", f"there is no ruleset {digest}")
        content = found.content
        if hashlib.sha256(content).hexdigest()[:16] != digest:
            message = f"s3://{self._bucket}/{self._key(digest)}: damaged"
            raise UserError("ruleset.corrupt", message, "restore its first version")
        return content

    def digests(self) -> Sequence[str]:
        """What is there."""
        with self._errors(self._prefix):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=self._prefix
            )
            keys = [entry["Key"] for page in pages for entry in page.get("Contents", ())]
        names = (key.removeprefix(self._prefix) for key in keys)
        return sorted(name.removesuffix(".json") for name in names if name.endswith(".json"))

    def current(self) -> str | None:
        """The digest of the ruleset that was published last."""
        found = self._current()
        return None if found is None else found.digest

    def published(self) -> tuple[str, Edition]:
        """Return the digest of the current ruleset, and its edition.

        Raises:
            UserError: `ruleset.none`: nothing was published yet.
        """
        found = self._current()
        if found is None:
            raise UserError("ruleset.none", "no ruleset was published yet", "name one")
        return found.digest, found.edition

    def publish(self, digest: str) -> None:
        """Make a ruleset that is there the current one, unless that one's edition is as new.

        The second line of `current` is its edition. It is replaced only if it still is what was
        read; if somebody else was faster the comparison is made again.
        """
        self.get(digest)
        key = f"{self._prefix}current"
        while True:
            found = self._current()
            before = NO_EDITION if found is None else found.edition
            if self._edition is not None and found is not None and self._edition <= before:
                return
            edition = self._edition or before
            condition = {"IfNoneMatch": "*"} if found is None else {"IfMatch": found.tag}
            with self._errors(key):
                try:
                    self._client.put_object(
                        Bucket=self._bucket,
                        Key=key,
                        Body=f"{digest}\n{edition.versions} {edition.as_of}\n".encode(),
                        **condition,
                    )
                except ClientError as error:
                    if error_code(error) not in _CHANGED_MEANWHILE:
                        raise
                else:
                    return

    def _current(self) -> "_Current | None":
        key = f"{self._prefix}current"
        found = self._read(key)
        if found is None:
            return None
        told = _CURRENT.fullmatch(found.content)
        if told is None:
            message = f"s3://{self._bucket}/{key}: damaged: it does not name a ruleset"
            raise UserError("ruleset.corrupt", message, "restore its version before")
        digest, versions, as_of = (part.decode() for part in told.groups(b""))
        edition = Edition(int(versions), as_of) if versions else NO_EDITION
        return _Current(digest, edition, found.tag)

    def _key(self, digest: str) -> str:
        return f"{self._prefix}{digest}.json"

    def _read(self, key: str) -> "_Object | None":
        with self._errors(key):
            try:
                found = self._client.get_object(Bucket=self._bucket, Key=key)
                return _Object(found["Body"].read(), found["ETag"])
            except ClientError as error:
                if error_code(error) == "NoSuchKey":
                    return None
                raise

    def _errors(self, key: str) -> Any:
        return aws_errors("rulesets", f"s3://{self._bucket}/{key}")


class _Object(NamedTuple):
    """The content of an object, and the tag that stands for exactly this content."""

    content: bytes
    tag: str


class _Current(NamedTuple):
    """What the object `current` says."""

    digest: str
    edition: Edition
    tag: str


_CURRENT: Final = re.compile(rb"([0-9a-f]{16})\n(?:([0-9]{1,18}) ([0-9]{4}-[0-9]{2}-[0-9]{2})?\n)?")
_CHANGED_MEANWHILE: Final = frozenset({"PreconditionFailed", "ConditionalRequestConflict"})
