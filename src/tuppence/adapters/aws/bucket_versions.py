"""Older versions of the objects of a folder of a bucket, which outlive their objects."""

from typing import Any, Final

from botocore.exceptions import ClientError

from tuppence.adapters.aws.clients import aws_errors, error_code
from tuppence.errors import UserError

_AT_ONCE: Final = 1_000
"""Maximum number of versions of a request to delete them."""


class BucketVersions:
    """The versions of the objects below an address that are not the newest.

    Args:
        client: Client of S3.
        address: The address, such as s3://bucket/store.
    """

    def __init__(self, client: Any, address: str) -> None:
        self._client = client
        self._bucket, _, folder = address.removeprefix("s3://").partition("/")
        self._prefix = f"{folder.rstrip('/')}/".lstrip("/")

    def older(self) -> list[dict[str, str]]:
        """Return the key and version of each older version, and of each mark of a deletion.

        A store without versions of objects has none.
        """
        with self._errors():
            try:
                pages = self._client.get_paginator("list_object_versions").paginate(
                    Bucket=self._bucket, Prefix=self._prefix
                )
                found = [
                    one
                    for page in pages
                    for one in (
                        *(each for each in page.get("Versions", ()) if not each["IsLatest"]),
                        *page.get("DeleteMarkers", ()),
                    )
                ]
            except ClientError as error:
                if error_code(error) == "NotImplemented":
                    return []
                raise
        return [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in found]

    def delete(self) -> None:
        """Delete all older versions for good.

        Raises:
            UserError: AWS refuses it, or does not delete some.
        """
        gone = self.older()
        for start in range(0, len(gone), _AT_ONCE):
            with self._errors():
                answer = self._client.delete_objects(
                    Bucket=self._bucket, Delete={"Objects": gone[start : start + _AT_ONCE]}
                )
            for problem in answer.get("Errors", ()):
                message = f"s3://{self._bucket}/{problem['Key']}: an older version stays"
                hint = f"AWS says {problem['Code']}; the role needs s3:DeleteObjectVersion"
                raise UserError("versions.refused", message, hint)

    def _errors(self) -> Any:
        return aws_errors("versions", f"older versions in the bucket {self._bucket}")
