"""Rule files and commands that are given something hostile: one clear error each, no traceback."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from tuppence.cli.app import build
from tuppence.errors import UserError
from tuppence.rules.definition import Definition
from tuppence.structured import read_yaml

FILES = {
    "aliases": ('a: &a ["x","x"]\nb: &b [*a,*a]\nid: *b\n', "aliases are not supported"),
    "nested lists": ("id: " + "[" * 30_000 + "]" * 30_000, "nested more than 100 levels deep"),
    "rather nested lists": ("id: " + "[" * 400 + "]" * 400, "rule.yaml:1:105: nested more than"),
    "nested blocks": ("\n".join(" " * i + "a:" for i in range(900)), "nested more than 100 levels"),
    "huge scalar": ("id: " + "a" * 2_000_000, "larger than 1,000,000 bytes"),
    "duplicate key": ("id: x\nid: y\n", "id is given twice"),
    "list as key": ("? [a, b]\n: 1\nid: x\n", "rule.yaml:1:"),
    "merge key": ("id: x\n<<: {kind: saving}\n", "unknown field"),
    "python tag": ('!!python/object/apply:os.system ["true"]\n', "rule.yaml"),
    "binary": ("\x00\x01", "not YAML"),
    "half a surrogate pair": ('id: "\\ud800"\n', "rule.yaml:1:5: .* half of a surrogate pair"),
    "half a pair in a key": ('id: x\n"\\udfff": y\n', "rule.yaml:2:1: .* half of a surrogate pair"),
    "many keys": ("id: x\n" + "\n".join(f"k{i}: 1" for i in range(5_000)), "rule.yaml:"),
}


@pytest.mark.parametrize(("content", "message"), FILES.values(), ids=FILES)
def test_a_hostile_rule_file_gives_one_clear_error(
    content: str, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "rule.yaml"
    path.write_text(content, "utf-8")
    with pytest.raises(UserError, match=message):
        read_yaml(path, Definition)


EXPRESSIONS = {
    "overflow": "product([9.9 * 10**6144, 10])",
    "far duration": '@"P1D" * 10**6000',
    "a list in itself": "for i in 1..3 return partial",
    "shared": "{f: function(c, n) if n = 0 then c else f([c, c], n - 1), r: f([1], 30)}.r",
    "deep": "[" * 85 + "]" * 85,
    "long text": 'for i in 1..60000 return "' + "a" * 9_000 + '"',
}


@pytest.mark.parametrize("option", [[], ["--trace"], ["--layout"]], ids=str)
@pytest.mark.parametrize("expression", EXPRESSIONS.values(), ids=EXPRESSIONS)
def test_no_expression_ends_the_command_with_a_traceback(
    expression: str, option: list[str]
) -> None:
    found = CliRunner().invoke(build(), ["feel", expression, *option])
    assert found.exception is None
    assert len(found.output) < 100_000


CONTEXTS = {
    "deep": ('{"a": ' + "[" * 100_000 + "]" * 100_000 + "}", "nested too deeply"),
    "rather deep": ('{"a": ' + "[" * 400 + "]" * 400 + "}", "nested more than 100 levels deep"),
    "too large": ('{"a": 1e99999999}', "a number is too large"),
    "exponent": ('{"a": 1e99999999999999999999}', "a number is too large"),
    "infinite": ('{"a": Infinity}', "a number is too large, or not a number"),
    "repeated": ('{"a": 1, "a": 2}', "a is given twice"),
}


@pytest.mark.parametrize(("content", "message"), CONTEXTS.values(), ids=CONTEXTS)
def test_a_hostile_context_gives_one_clear_error(
    content: str, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "names.json"
    path.write_text(content, "utf-8")
    found = CliRunner().invoke(build(), ["feel", "a", "--context", str(path)])
    assert isinstance(found.exception, UserError)
    assert message in found.exception.message
