"""Rulesets in S3: one object each, named by its digest and never overwritten."""

import re
from typing import Any, Final, NamedTuple

from botocore.exceptions import ClientError

from tuppence.adapters.aws.clients import error_code
from tuppence.adapters.aws.digest_bucket import CHANGED_MEANWHILE, DigestBucket
from tuppence.errors import UserError
from tuppence.usecases.editions import NO_EDITION, Edition


class S3Rulesets(DigestBucket):
    """Rulesets in S3. Implements the port RulesetStore.

    Args:
        client: Client of S3.
        bucket: Name of the bucket; it should keep versions, since publications replace `current`.
        prefix: Prefix of every key, such as `rulesets/`.
        edition: Edition of the ruleset to publish, which replaces older editions only. None if a
            person has chosen the ruleset: it replaces any current one, and takes over its edition.
    """

    code = "rulesets"

    def __init__(
        self, client: Any, bucket: str, prefix: str = "", edition: Edition | None = None
    ) -> None:
        super().__init__(client, bucket, prefix)
        self._edition = edition

    def publishing(self, edition: Edition | None) -> "S3Rulesets":
        """Return the same store, for publishing a ruleset of an edition."""
        return S3Rulesets(self._client, self._bucket, self._prefix, edition)

    def unknown(self, digest: str) -> UserError:
        """Return the error that there is no such ruleset."""
        return UserError("ruleset.unknown", f"there is no ruleset {digest}")

    def damaged(self, address: str, problem: str) -> UserError:
        """Return the error that a ruleset's object is damaged."""
        return UserError("ruleset.corrupt", f"{address}: {problem}", "restore its first version")

    def current(self) -> str | None:
        """Return the digest of the ruleset that was published last, or None."""
        current = self._current()
        return None if current is None else current.digest

    def published(self) -> tuple[str, Edition]:
        """Return the digest of the current ruleset, and its edition.

        Raises:
            UserError: `ruleset.none` if no ruleset has been published yet.
        """
        current = self._current()
        if current is None:
            raise UserError("ruleset.none", "no ruleset has been published yet", "name one")
        return current.digest, current.edition

    def publish(self, digest: str) -> None:
        """Make a stored ruleset the current one, unless the current edition is as new or newer.

        The second line of the object `current` is its edition. The object is replaced only if it
        has not changed since it was read; otherwise it is read and compared again.
        """
        self.get(digest)
        key = f"{self._prefix}current"
        while True:
            current = self._current()
            before = NO_EDITION if current is None else current.edition
            if self._edition is not None and current is not None and self._edition <= before:
                return
            edition = self._edition or before
            condition = {"IfNoneMatch": "*"} if current is None else {"IfMatch": current.tag}
            with self._errors(key):
                try:
                    self._client.put_object(
                        Bucket=self._bucket,
                        Key=key,
                        Body=f"{digest}\n{edition.versions} {edition.as_of}\n".encode(),
                        **condition,
                    )
                except ClientError as error:
                    if error_code(error) not in CHANGED_MEANWHILE:
                        raise
                else:
                    return

    def _current(self) -> "_Current | None":
        key = f"{self._prefix}current"
        stored = self._read(key)
        if stored is None:
            return None
        match = _CURRENT.fullmatch(stored.content)
        if match is None:
            message = f"s3://{self._bucket}/{key}: damaged: it does not name a ruleset"
            raise UserError("ruleset.corrupt", message, "restore its previous version")
        digest, versions, as_of = (part.decode() for part in match.groups(b""))
        edition = Edition(int(versions), as_of) if versions else NO_EDITION
        return _Current(digest, edition, stored.tag)


class _Current(NamedTuple):
    """The decoded content of the object `current`."""

    digest: str
    edition: Edition
    tag: str


_CURRENT: Final = re.compile(rb"([0-9a-f]{16})\n(?:([0-9]{1,18}) ([0-9]{4}-[0-9]{2}-[0-9]{2})?\n)?")
