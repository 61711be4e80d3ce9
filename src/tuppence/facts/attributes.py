"""Reads the file that declares further fields of customers."""

import re
from pathlib import Path
from typing import Final

import msgspec

from tuppence.errors import UserError
from tuppence.facts.schema import CUSTOMER, Field, FieldType, Schema
from tuppence.feel.library import BUILTINS
from tuppence.structured import read_yaml


class _Attribute(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    type: FieldType
    doc: str
    nullable: bool = True
    unit: str = ""
    decimals: int = 0
    personal: bool = False


class _Attributes(msgspec.Struct, forbid_unknown_fields=True):
    attributes: list[_Attribute]


_NAME: Final = re.compile(r"[a-z][a-z0-9]*( [a-z0-9]+)*")


def read_attributes(path: Path) -> Schema:
    """Return a schema with the customer attributes that a YAML file declares.

    Raises:
        UserError: The file cannot be read, or an attribute's name is taken or invalid.
    """
    declared = read_yaml(path, _Attributes).value.attributes
    taken = {field.name for field in CUSTOMER}
    for attribute in declared:
        problem = ""
        if attribute.name in taken:
            problem = "is defined already"
        elif attribute.name in BUILTINS:
            problem = "is the name of a built-in function"
        elif not _NAME.fullmatch(attribute.name):
            problem = "is not a name: small letters and digits, words with one space between"
        if problem:
            message = f"{path}: the attribute {attribute.name!r} {problem}"
            raise UserError("schema.attribute", message, "choose another name")
        taken.add(attribute.name)
    return Schema(
        tuple(
            Field(a.name, a.type, a.doc, a.nullable, a.unit, a.decimals, personal=a.personal)
            for a in declared
        )
    )
