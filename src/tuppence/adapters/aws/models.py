"""Models of the order of feeds in S3: one object each, named by its digest."""

import re
from collections.abc import Callable
from typing import Any, Final

from tuppence.adapters.aws.digest_bucket import DigestBucket
from tuppence.errors import UserError
from tuppence.relevance.scorecard import read_scorecard
from tuppence.usecases.order_feed import Model

SERVED: Final = 30.0
"""Seconds for which a service takes a model for the published one before it asks again."""


class S3Models(DigestBucket):
    """Models in S3. Implements the port ModelStore.

    Args:
        client: Client of S3.
        bucket: Name of the bucket, which may keep versions: destroying removes all of them.
        prefix: Prefix of every key, such as `models/`.
        clock: Returns seconds that only grow.
    """

    code = "models"

    def __init__(self, client: Any, bucket: str, prefix: str, clock: Callable[[], float]) -> None:
        super().__init__(client, bucket, prefix)
        self._clock = clock
        self._known: Model | None = None
        self._until = float("-inf")

    def unknown(self, digest: str) -> UserError:
        """Return the error that there is no such model."""
        hint = "tuppence relevance show lists the models"
        return UserError("model.unknown", f"there is no model {digest}", hint)

    def damaged(self, address: str, problem: str) -> UserError:
        """Return the error that a model's object is damaged."""
        hint = "remove the object, then fit and publish a model again"
        return UserError("model.corrupt", f"{address}: {problem}", hint)

    def published(self) -> Model | None:
        """Return the published model; None if feeds are in rule order.

        What others have published or destroyed is seen after `SERVED` seconds at the latest.
        """
        if self._clock() >= self._until:
            digest = self._current()
            if digest is None:
                self._known = None
            elif self._known is None or self._known.digest != digest:
                self._known = self._model(digest)
            self._until = self._clock() + SERVED
        return self._known

    def publish(self, digest: str) -> None:
        """Let feeds be ordered by a stored model."""
        self.get(digest)
        key = f"{self._prefix}current"
        with self._errors(key):
            self._client.put_object(Bucket=self._bucket, Key=key, Body=f"{digest}\n".encode())
        self._until = float("-inf")

    def withdraw(self) -> None:
        """Let feeds be in rule order again."""
        key = f"{self._prefix}current"
        with self._errors(key):
            self._client.delete_object(Bucket=self._bucket, Key=key)
        self._until = float("-inf")

    def destroy(self) -> int:
        """Remove all models, with all versions of their objects, and return their number."""
        self.withdraw()
        many = len(self.digests())
        with self._errors(self._prefix):
            pages = self._client.get_paginator("list_object_versions").paginate(
                Bucket=self._bucket, Prefix=self._prefix
            )
            for page in pages:
                for one in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
                    self._client.delete_object(
                        Bucket=self._bucket, Key=one["Key"], VersionId=one["VersionId"]
                    )
        return many

    def _model(self, digest: str) -> Model | None:
        try:
            return Model(digest, read_scorecard(self.get(digest)))
        except UserError:
            current = self._current()
            if current == digest:
                raise
            return None if current is None else self._model(current)  # replaced meanwhile

    def _current(self) -> str | None:
        key = f"{self._prefix}current"
        stored = self._read(key)
        if stored is None:
            return None
        digest = stored.content.decode("ascii", "replace").strip()
        if not re.fullmatch("[0-9a-f]{16}", digest):
            raise self.damaged(self._address(key), "damaged: it names no model")
        return digest
