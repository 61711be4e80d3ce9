"""Rulesets in S3: an object for each, named by its digest and never written twice."""

import hashlib
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from tuppence.adapters.aws.clients import aws_errors, error_code
from tuppence.errors import UserError

if TYPE_CHECKING:
    from tuppence.rules.ruleset import Ruleset


class S3Rulesets:
    """Implements the port RulesetStore.

    Args:
        client: Of S3.
        bucket: Its versions should be kept: `current` is written anew by each publication.
        prefix: Begins every key, such as `rulesets/`.
    """

    def __init__(self, client: Any, bucket: str, prefix: str = "") -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = prefix

    def put(self, ruleset: "Ruleset") -> None:
        """Keep a ruleset; one that is there is left as it is."""
        key = self._key(ruleset.digest)
        with self._errors(key):
            try:
                self._client.put_object(
                    Bucket=self._bucket, Key=key, Body=ruleset.content, IfNoneMatch="*"
                )
            except ClientError as error:
                if error_code(error) not in {"PreconditionFailed", "ConditionalRequestConflict"}:
                    raise

    def get(self, digest: str) -> bytes:
        """The canonical bytes of a ruleset."""
        content = self._read(self._key(digest)) if re.fullmatch("[0-9a-f]{16}", digest) else None
        if content is None:
            raise UserError("ruleset.unknown", f"there is no ruleset {digest}")
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
        content = self._read(f"{self._prefix}current")
        return None if content is None else content.decode("ascii").strip()

    def publish(self, digest: str) -> None:
        """Make a ruleset that is there the current one."""
        self.get(digest)
        key = f"{self._prefix}current"
        with self._errors(key):
            self._client.put_object(Bucket=self._bucket, Key=key, Body=digest.encode() + b"\n")

    def _key(self, digest: str) -> str:
        return f"{self._prefix}{digest}.json"

    def _read(self, key: str) -> bytes | None:
        with self._errors(key):
            try:
                body: bytes = self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read()
            except ClientError as error:
                if error_code(error) == "NoSuchKey":
                    return None
                raise
            return body

    def _errors(self, key: str) -> Any:
        return aws_errors("rulesets", f"s3://{self._bucket}/{key}")
