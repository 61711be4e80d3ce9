"""Changes the text of a rule file: only the parts whose content has changed are written anew."""

import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, Final

import yaml

from tuppence.rules.definition import Definition
from tuppence.structured import to_yaml

_ORDER: Final = tuple(Definition.__struct_fields__)
_COMMENT: Final = re.compile(r"(?:^|(?<=\s))#.*", re.MULTILINE)


def changed_text(text: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Return the text of a rule file with some of its parts changed.

    Parts that are the same keep their text. Comments inside a part that changes move above it.

    Args:
        text: The text of the file.
        before: Its present content, as plain values by part.
        after: The content that it shall have.
    """
    root = yaml.compose(text, yaml.SafeLoader)
    has_anchors = any(isinstance(one, yaml.AnchorToken) for one in yaml.scan(text))
    if not isinstance(root, yaml.MappingNode) or root.flow_style or has_anchors:
        return to_yaml(dict(after))
    margin = " " * root.start_mark.column
    head, blocks = _blocks(text, [key for key, _ in root.value])
    for name in [*blocks]:
        if name not in before and name not in after:
            continue  # a default that is written out stays
        if name not in after:
            blocks[name] = _comments(blocks[name]) + _gap(blocks[name])
        elif before.get(name) != after[name]:
            part = textwrap.indent(_part(name, after[name]), margin)
            blocks[name] = _comments(blocks[name]) + part + _gap(blocks[name])
    for name in sorted(after.keys() - blocks.keys(), key=_ORDER.index):
        part = textwrap.indent(_part(name, after[name]), margin)
        blocks = _inserted(blocks, name, part)
    changed = head + "".join(blocks.values())
    return changed.replace("\r\n", "\n").replace("\n", "\r\n") if "\r\n" in text else changed


def _part(name: str, value: Any) -> str:
    """Return the text of a part, without the end of a document that empty last lines bring."""
    return to_yaml({name: value}).removesuffix("...\n")


def _blocks(text: str, keys: Sequence[yaml.Node]) -> tuple[str, dict[str, str]]:
    """Return what stands before the first part, and the lines of each part."""
    lines = [line for line in text.splitlines(keepends=True) if line.rstrip() != "..."]
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    starts = [key.start_mark.line for key in keys]
    blocks = {
        str(key.value): "".join(lines[start:stop])
        for key, start, stop in zip(keys, starts, [*starts[1:], len(lines)], strict=True)
    }
    return "".join(lines[: starts[0]]) if starts else text, blocks


def _gap(block: str) -> str:
    """Return the blank lines and whole lines of comments that end a part."""
    lines = block.splitlines(keepends=True)
    content = len(lines)
    while content and (not lines[content - 1].strip() or lines[content - 1].startswith("#")):
        content -= 1
    return "".join(lines[content:])


def _comments(block: str) -> str:
    """Return the comments inside a part, a line each."""
    inside = block.removesuffix(_gap(block))
    for token in reversed([*yaml.scan(inside, yaml.SafeLoader)]):
        if isinstance(token, yaml.ScalarToken):
            start, end = token.start_mark.index, token.end_mark.index
            if token.style in {"|", ">"}:  # its first line may end with a comment
                inside = inside[: inside.index("\n", start) + 1] + inside[end:]
            else:
                inside = inside[:start] + "x" + inside[end:]
    return "".join(f"{found[0].rstrip()}\n" for found in _COMMENT.finditer(inside))


def _inserted(blocks: Mapping[str, str], name: str, block: str) -> dict[str, str]:
    """Return blocks with another one, after those that usually stand before it."""
    earlier = [one for one in blocks if one in _ORDER and _ORDER.index(one) < _ORDER.index(name)]
    place = list(blocks).index(earlier[-1]) + 1 if earlier else 0
    items = list(blocks.items())
    return dict([*items[:place], (name, block), *items[place:]])
