"""Opens the fleet and the inbox on AWS; its client is an extra, imported when it is needed."""

from typing import TYPE_CHECKING

from tuppence.bankdata.table_file import MAX_BYTES
from tuppence.bootstrap.extras import extra
from tuppence.errors import UserError

if TYPE_CHECKING:
    from tuppence.adapters.aws.fleet import Fleet
    from tuppence.adapters.aws.inbox import S3Inbox


def open_fleet(environment: str) -> "Fleet":
    """Return the fleet of an environment on AWS."""
    with extra("aws"):
        from tuppence.adapters.aws.fleet import Fleet  # noqa: PLC0415

    return Fleet(environment)


def open_inbox(address: str) -> "S3Inbox":
    """Return the inbox in a bucket.

    Raises:
        UserError: The address is not s3://BUCKET.
    """
    bucket = address.removeprefix("s3://").rstrip("/")
    if not address.startswith("s3://") or not bucket or "/" in bucket:
        raise UserError("inbox.address", f"{address!r} is no bucket", "write it as s3://BUCKET")
    with extra("aws"):
        from tuppence.adapters.aws.clients import client  # noqa: PLC0415
        from tuppence.adapters.aws.inbox import S3Inbox  # noqa: PLC0415

    return S3Inbox(client("s3", seconds=60.0), bucket, MAX_BYTES)
