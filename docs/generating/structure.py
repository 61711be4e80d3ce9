"""Tables of the keys of structs."""

from collections.abc import Iterator

import msgspec


def attributes(text: str | None) -> Iterator[tuple[str, str]]:
    """Yield names and meanings from the section Attributes of a docstring."""
    section = (text or "").partition("Attributes:")[2]
    name, meaning = "", ""
    for line in section.splitlines():
        stripped = line.strip()
        if line.startswith("        ") and not line.startswith("         ") and ": " in stripped:
            if name:
                yield name, meaning
            name, _, meaning = stripped.partition(": ")
        elif stripped:
            meaning += f" {stripped}"
    if name:
        yield name, meaning


def choices(kind: type[msgspec.Struct], key: str) -> list[str]:
    """Return the words that a key may have."""
    schema = msgspec.json.schema(kind)["$defs"][kind.__name__]["properties"][key]
    found = schema.get("enum") or next(part for part in schema["anyOf"] if "enum" in part)["enum"]
    return sorted(word for word in found if word)


def structure(kind: type[msgspec.Struct]) -> Iterator[str]:
    """Yield a table of the keys of a file's struct."""
    required = {f.name for f in msgspec.structs.fields(kind) if f.required}
    names = {f.name: f.encode_name for f in msgspec.structs.fields(kind)}
    yield "| key | | meaning |\n|---|---|---|"
    for name, meaning in attributes(kind.__doc__):
        key = names.get(name, name)
        yield f"| `{key}` | {'required' if name in required else ''} | {meaning} |"
    yield ""
