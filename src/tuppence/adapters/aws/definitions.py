"""Definitions in S3: a folder of rule files in a bucket that keeps versions."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from tuppence.adapters.aws.clients import aws_errors
from tuppence.errors import UserError
from tuppence.facts.schema import Schema
from tuppence.feel.values import Date
from tuppence.rules.definition import Definition
from tuppence.structured import MAX_BYTES, decode_text, parse_yaml
from tuppence.usecases.editions import Edition

FOLDER: Final = "definitions/"
"""Prefix of the keys of rule files."""
MAX_FILES: Final = 10_000
"""Maximum number of rule files."""


class S3Definitions:
    """The rule files of a folder, all of which count as approved.

    Whoever may write into the folder decides what is published. Implements the port
    ApprovedDefinitions.

    Args:
        client: Client of S3.
        bucket: Name of the bucket. It keeps versions, whose number is the edition.
        schema: Returns the schema of the facts.
    """

    def __init__(self, client: Any, bucket: str, schema: Callable[[], Schema]) -> None:
        self._client = client
        self._bucket = bucket
        self.schema = schema

    def in_force(self, as_of: Date) -> tuple[Sequence[Definition], Edition]:
        """Return the definitions that are valid on a date, and their edition.

        Raises:
            UserError: A file is no definition, or two files have the same rule; every such finding
                is in its details.
        """
        files, versions = self._listed()
        found: dict[str, tuple[_File, Definition]] = {}
        errors: list[str] = []
        for file in files:
            try:
                one = parse_yaml(self._text(file), Path(file.key), Definition).value
            except UserError as error:
                errors.append("\n".join([error.message, *error.details]))
                continue
            if one.id in found:
                errors.append(f"{file.key}: {one.id} is a rule of {found[one.id][0].key}, too")
            found.setdefault(one.id, (file, one))
        if errors:
            files_are = "files are" if len(errors) > 1 else "file is"
            message = f"{len(errors)} {files_are} wrong in s3://{self._bucket}/{FOLDER}"
            hint = "nothing was changed: engines still serve the old ruleset"
            raise UserError("publish.refused", message, hint, errors)
        day = str(as_of)
        valid = [
            one
            for _, one in found.values()
            if (one.valid_from or day) <= day <= (one.valid_until or day)
        ]
        return valid, Edition(versions, day)

    def _listed(self) -> tuple[list["_File"], int]:
        """Return the rule files, and how many versions and deletions the folder ever had."""
        files: list[_File] = []
        versions = 0
        with aws_errors("definitions", f"s3://{self._bucket}/{FOLDER}"):
            pages = self._client.get_paginator("list_object_versions").paginate(
                Bucket=self._bucket, Prefix=FOLDER
            )
            for page in pages:
                stored = page.get("Versions", ())
                versions += len(stored) + len(page.get("DeleteMarkers", ()))
                files += [
                    _File(one["Key"], one["VersionId"], one["Size"])
                    for one in stored
                    if one["IsLatest"] and one["Key"].endswith(".yaml")
                ]
        if len(files) > MAX_FILES:
            message = f"s3://{self._bucket}/{FOLDER}: more than {MAX_FILES:,} rule files"
            raise UserError("definitions.many", message, "remove the files that are no rules")
        return sorted(files), versions

    def _text(self, file: "_File") -> str:
        """Return the text of a file as it was when the folder was listed."""
        if file.size > MAX_BYTES:
            message = f"{file.key}: larger than {MAX_BYTES:,} bytes"
            raise UserError("file.large", message, "a rule file has one rule")
        with aws_errors("definitions", f"s3://{self._bucket}/{file.key}"):
            answer = self._client.get_object(
                Bucket=self._bucket, Key=file.key, VersionId=file.version
            )
            return decode_text(answer["Body"].read(), Path(file.key))


class _File(NamedTuple):
    """A version of a file."""

    key: str
    version: str
    size: int
