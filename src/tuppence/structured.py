"""Reads YAML files into typed structs; every error names the file, line and column."""

import contextlib
import difflib
import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

import msgspec
import msgspec.inspect
import yaml

from tuppence.errors import UserError
from tuppence.plain_text import SURROGATE

T = TypeVar("T")
Location = tuple[str | int, ...]

ENVIRONMENT: Final = "env:"
"""Prefix of the name of a secret in the environment, in place of a file's name."""
MAX_BYTES: Final = 1_000_000
"""Maximum size of a YAML file, and of other small files."""
_MAX_NESTING = 100
_TOO_DEEP = f"nested more than {_MAX_NESTING} levels deep"
_PATH = re.compile(r"(.*?)(?: - at (?:`key` in )?`(\$[^`]*)`)?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Document(Generic[T]):
    """A value read from a file, with the places of its parts in the file."""

    path: Path
    text: str
    value: T
    marks: Mapping[Location, yaml.Node]

    def position(self, location: Location, offset: int = 0) -> tuple[int, int]:
        """Return the line and column, from 1, of a character of the scalar at a location.

        YAML may fold or indent a scalar, which changes only white space. So the characters that are
        not white space are located one by one in the text of the file.
        """
        node = self.marks[location]
        start, end = node.start_mark, node.end_mark
        if not isinstance(node, yaml.ScalarNode):
            return start.line + 1, start.column + 1
        index = start.index
        if node.style in {"|", ">"}:
            index = self.text.index("\n", index) + 1
        elif node.style:
            index += 1
        for char in node.value[: offset + 1]:
            if char.isspace():
                continue
            found = self.text.find(char, index, end.index)
            if found < 0:  # an escape in quotes: use the start of the scalar instead
                return start.line + 1, start.column + 1
            index = found + 1
        at_end = offset >= len(node.value.rstrip())
        index -= 1 if node.value[: offset + 1].strip() and not at_end else 0
        line = self.text.count("\n", 0, index) + 1
        return line, index - (self.text.rfind("\n", 0, index) + 1) + 1

    def is_scalar(self, location: Location) -> bool:
        """Return whether the node at a location is a scalar, not a mapping or a list."""
        return isinstance(self.marks[location], yaml.ScalarNode)

    def scalar(self, location: Location) -> str:
        """Return the text of the scalar at a location."""
        return str(self.marks[location].value)

    def below(self, location: Location, text: str) -> Location | None:
        """Return the first location below another one with a scalar of this text, or None."""
        for place, node in self.marks.items():
            inside = place[: len(location)] == location
            if inside and isinstance(node, yaml.ScalarNode) and node.value == text:
                return place
        return None

    def line(self, number: int) -> str:
        """Return a line of the file, counted from 1."""
        return self.text.split("\n")[number - 1]


def read_secret(where: str) -> str:
    """Read a secret from a file, or for `env:NAME` from the environment, without blanks around it.

    Raises:
        UserError: The file cannot be read, or the environment has no such variable.
    """
    if not where.startswith(ENVIRONMENT):
        return read_text(Path(where)).strip()
    secret = os.environ.get(where.removeprefix(ENVIRONMENT), "").strip()
    if not secret:
        raise UserError(
            "secret.missing", f"the environment has no {where.removeprefix(ENVIRONMENT)}"
        )
    return secret


def is_folder(path: Path) -> bool:
    """Return whether a path given by a user is a folder; if not, it is a file.

    Raises:
        UserError: The path does not exist, or is a device, a pipe or a socket.
    """
    with _file_errors(path):
        mode = path.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        message = f"{path}: this is a device, a pipe or a socket, not a file"
        raise UserError("file.special", message, "save its content as a file")
    return stat.S_ISDIR(mode)


def read_bytes(path: Path, max_bytes: int) -> bytes:
    """Read a file given by a user; never wait for a pipe or a device.

    Raises:
        UserError: The file is missing, not a file, too large, or cannot be read.
    """
    if is_folder(path):
        raise UserError("file.folder", f"{path}: this is a folder, not a file")
    with _file_errors(path), path.open("rb") as file:
        content = file.read(max_bytes + 1) if path.stat().st_size <= max_bytes else None
    if content is None or len(content) > max_bytes:
        raise UserError("file.large", f"{path}: larger than {max_bytes:,} bytes")
    return content


@contextlib.contextmanager
def _file_errors(path: Path) -> Iterator[None]:
    """Turn errors of the operating system into user errors."""
    try:
        yield
    except FileNotFoundError:
        raise UserError("file.missing", f"{path}: there is no such file or folder") from None
    except PermissionError:
        raise UserError("file.permission", f"{path}: may not be read") from None
    except OSError as error:
        raise UserError("file.unreadable", f"{path}: cannot be read: {error.strerror}") from None


def read_text(path: Path) -> str:
    """Read a small UTF-8 file.

    Raises:
        UserError: The file is missing, not a file, too large, or not UTF-8.
    """
    return decode_text(read_bytes(path, MAX_BYTES), path)


def decode_text(content: bytes, path: Path) -> str:
    """Return the text of a file.

    Raises:
        UserError: It is not UTF-8.
    """
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        message = f"{path}: not UTF-8 text, from byte {error.start} on"
        raise UserError("file.encoding", message, "save it as UTF-8") from None


def read_yaml(path: Path, kind: type[T]) -> Document[T]:
    """Read a YAML file as a struct of the given type.

    Raises:
        UserError: The file cannot be read, is not YAML, or does not fit the type. The message has
            `file:line:column`.
    """
    return parse_yaml(read_text(path), path, kind)


def read_settings(where: str, kind: type[T]) -> Document[T]:
    """Read YAML from a file, or for `env:NAME` from the environment, as a struct of a type.

    Raises:
        UserError: As from `read_yaml`, or the environment has no such variable.
    """
    if where.startswith(ENVIRONMENT):
        return parse_yaml(read_secret(where), Path(where), kind)
    return read_yaml(Path(where), kind)


def parse_yaml(text: str, path: Path, kind: type[T]) -> Document[T]:
    """Read the text of a YAML file as a struct of the given type.

    Args:
        text: The text.
        path: The file, for errors.
        kind: The type.

    Raises:
        UserError: The text is not YAML, or does not fit the type. The message has
            `file:line:column`.
    """
    plain, marks = parse_plain(text, path)
    try:
        value = msgspec.convert(plain, kind, strict=False)
    except msgspec.ValidationError as error:
        message, location = _located(str(error), marks)
        mark = marks[location].start_mark
        lines = text.split("\n")[mark.line : mark.line + 1]
        carets = [*lines, " " * mark.column + "^"] if location else []
        raise UserError(
            "file.shape",
            f"{path}:{mark.line + 1}:{mark.column + 1}: {message}",
            _expected(str(error), kind),
            carets,
        ) from None
    return Document(path, text, value, marks)


def parse_plain(text: str, path: Path) -> tuple[Any, Mapping[Location, yaml.Node]]:
    """Read the text of a YAML file as plain values, with the places of its parts.

    Args:
        text: The text.
        path: The file, for errors.

    Raises:
        UserError: The text is not YAML.
    """
    try:
        root = _compose(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        line = text.split("\n")[mark.line : mark.line + 1] if mark else []
        carets = [*line, " " * mark.column + "^"] if mark else []
        hint = "a value with ': ' or ' #' in it needs | or quotes around it"
        message = f"{where}: not YAML: {error.problem}"
        raise UserError("file.yaml", message, hint, carets) from None
    except yaml.YAMLError as error:
        raise UserError("file.yaml", f"{path}: not YAML: {error}") from None
    except RecursionError:
        raise UserError("file.yaml", f"{path}: {_TOO_DEEP}") from None
    if root is None:
        raise UserError("file.empty", f"{path}: the file is empty")
    marks: dict[Location, yaml.Node] = {}
    return _plain(root, (), marks, path, set()), marks


def convert_plain(plain: Any, kind: type[T]) -> T:
    """Return plain values as a struct of the given type.

    Raises:
        UserError: They do not fit the type; the message begins with the place.
    """
    try:
        return msgspec.convert(plain, kind, strict=False)
    except msgspec.ValidationError as error:
        found = _PATH.fullmatch(str(error))
        text, path = (found[1], found[2] or "$") if found else (str(error), "$")
        where = ".".join(map(str, _steps(path)))
        message = f"{where}: {text}" if where else text
        raise UserError("file.shape", message, _expected(str(error), kind)) from None


def _compose(text: str) -> yaml.Node | None:
    """Parse YAML with libyaml, which is ten times as fast; PyYAML words what that refuses."""
    if yaml.__with_libyaml__:
        with contextlib.suppress(yaml.YAMLError):
            return yaml.compose(text, yaml.CSafeLoader)
    return yaml.compose(text, yaml.SafeLoader)


def _plain(
    node: yaml.Node,
    location: Location,
    marks: dict[Location, yaml.Node],
    path: Path,
    seen: set[int],
) -> Any:
    """Convert a node to Python values; `2026-03-31` and `no` stay texts."""
    if id(node) in seen:  # a few aliases of aliases could exhaust the memory
        line = f"{path}:{node.start_mark.line + 1}:{node.start_mark.column + 1}"
        raise UserError("file.yaml", f"{line}: aliases are not supported", "write it out")
    if len(location) > _MAX_NESTING:
        line = f"{path}:{node.start_mark.line + 1}:{node.start_mark.column + 1}"
        raise UserError("file.yaml", f"{line}: {_TOO_DEEP}")
    marks[location] = node
    if isinstance(node, yaml.CollectionNode):
        seen.add(id(node))
    _check_text(node, path)
    if isinstance(node, yaml.MappingNode):
        plain: dict[str, Any] = {}
        for key, value in node.value:
            _check_text(key, path)
            name = str(key.value)
            if name in plain:
                line = f"{path}:{key.start_mark.line + 1}:{key.start_mark.column + 1}"
                raise UserError("file.yaml", f"{line}: {name} is given twice")
            plain[name] = _plain(value, (*location, name), marks, path, seen)
        return plain
    if isinstance(node, yaml.SequenceNode):
        return [_plain(v, (*location, i), marks, path, seen) for i, v in enumerate(node.value)]
    scalars: dict[str, Any] = {"null": None}
    tag = node.tag.rpartition(":")[2]
    if tag == "bool" and node.value.lower() in {"true", "false"}:
        return node.value.lower() == "true"
    return scalars.get(tag, node.value)


def _check_text(node: yaml.Node, path: Path) -> None:
    """Check that a scalar holds no half of a surrogate pair, which an escape can produce.

    Raises:
        UserError: `file.yaml`: the scalar holds one.
    """
    if isinstance(node, yaml.ScalarNode) and SURROGATE.search(node.value):
        line = f"{path}:{node.start_mark.line + 1}:{node.start_mark.column + 1}"
        message = f"{line}: this text holds half of a surrogate pair, which is no character"
        raise UserError("file.yaml", message, r"write the character itself, or its \U escape")


def _located(message: str, marks: Mapping[Location, yaml.Node]) -> tuple[str, Location]:
    """Split a message of msgspec into its text and the nearest location that its path names."""
    found = _PATH.fullmatch(message)
    text, path = (found[1], found[2] or "$") if found else (message, "$")
    location = tuple(_steps(path))
    while location not in marks:
        location = location[:-1]
    where = ".".join(map(str, location))
    return (f"{where}: {text}" if where else text), location


def _expected(message: str, kind: Any) -> str:
    """Return the values that a place accepts: its words, its fields, or a description."""
    found = _PATH.fullmatch(message)
    path = (found[2] if found else "") or "$"
    types = list(_types_at(msgspec.inspect.type_info(kind), list(_steps(path))))
    if message.startswith("Invalid enum value"):
        words = [str(word) for one in types if isinstance(one, _LITERAL) for word in one.values]
        return f"it must be one of: {', '.join(words)}" if words else ""
    unknown = _UNKNOWN_FIELD.match(message)
    if unknown:
        names = [f.encode_name for one in types if isinstance(one, _STRUCT) for f in one.fields]
        close = difflib.get_close_matches(unknown[1].replace("_", " "), names, 1)
        return f"did you mean {close[0]}?" if close else f"the fields are: {', '.join(names)}"
    if "matching regex" in message:
        texts = [one for one in types if isinstance(one, msgspec.inspect.Metadata)]
        extra = [(one.extra_json_schema or {}).get("description", "") for one in texts]
        return next((f"write it {text[:1].lower()}{text[1:]}" for text in extra if text), "")
    return ""


_LITERAL: Final = msgspec.inspect.LiteralType
_STRUCT: Final = msgspec.inspect.StructType
_UNKNOWN_FIELD: Final = re.compile("Object contains unknown field `([^`]*)`")


def _types_at(kind: msgspec.inspect.Type, steps: list[str | int]) -> Iterator[msgspec.inspect.Type]:
    """Yield the types, one for each branch of a union, that a struct has at the end of a path."""
    match kind:
        case msgspec.inspect.Metadata(type=inner):
            if not steps:
                yield kind
            yield from _types_at(inner, steps)
        case msgspec.inspect.UnionType(types=types):
            for one in types:
                yield from _types_at(one, steps)
        case msgspec.inspect.StructType(fields=fields) if steps:
            for field in fields:
                if field.encode_name == steps[0]:
                    yield from _types_at(field.type, steps[1:])
        case msgspec.inspect.ListType(item_type=inner) if steps:
            yield from _types_at(inner, steps[1:])
        case msgspec.inspect.DictType(value_type=inner) if steps:
            yield from _types_at(inner, steps[1:])
        case _ if not steps:
            yield kind


def _steps(path: str) -> Iterator[str | int]:
    for name, index in re.findall(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]", path):
        if name:
            yield name
        elif index.isdigit():
            yield int(index)


def to_yaml(plain: Any) -> str:
    """Format plain values as readable YAML, with texts of several lines as blocks."""
    return yaml.dump(
        plain, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100, indent=2
    )


class _Dumper(yaml.SafeDumper):
    pass


def _as_block(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _as_block)
