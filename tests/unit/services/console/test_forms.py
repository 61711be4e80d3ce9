"""Checks that definitions become forms and back, what the buttons of a form do, and its marks."""

from pathlib import Path
from typing import Any

import pytest
from tests.building import ROOT

from tuppence.adapters.embedded.rule_folder import RuleFolder
from tuppence.errors import UserError
from tuppence.facts.schema import Schema
from tuppence.feel.diagnostics import Diagnostic, Fix, Span
from tuppence.rules.checking import Finding
from tuppence.rules.definition import Definition
from tuppence.rules.files import RuleProblem
from tuppence.services.console.drafts import Drafts
from tuppence.services.console.form_actions import changed_form, rows_in
from tuppence.services.console.forms import definition_in, form_in, form_of, new_form
from tuppence.services.console.marking import (
    code_points,
    marks_of,
    marks_of_file,
    utf16,
)
from tuppence.structured import parse_yaml
from tuppence.usecases.edit_rules import RuleBook

BOOK = RuleBook(RuleFolder(ROOT / "catalogue"), Schema())


def nothing(*_: Any) -> tuple[()]:
    """Find nothing."""
    return ()


FORM = """
id: travel_heavy
kind: insight
title: Transport
when:
  any:
    - what: {measure: how much, where: {category: [transport, fuel], own transfer: false}, days: 90}
      is: more than
      value: {measure: how much, where: {category: groceries}, days: 90, until days ago: 7}
    - none:
        - what: {measure: customer, field: home}
          is: exactly
          value: [rent, own]
score: {start: "10", terms: [{what: {measure: how many}, weight: "2", most: "50"}]}
values:
  spent: {measure: how much, of: payments, days: 90}
  twice: 2 * spent
message: {title: "{{ spent | money }}", body: b, variants: [{title: c, body: d}]}
tests: [{name: one, expect: unknown}]
"""


def flat(node: Any, place: str = "") -> dict[str, list[str]]:
    """Return the fields that a page sends for a form, which are texts."""
    if isinstance(node, dict | list):
        items = node.items() if isinstance(node, dict) else enumerate(node)
        texts = isinstance(node, list) and all(isinstance(one, str) for one in node)
        if texts and node:
            return {place: ["\r\n".join(node)]}
        found: dict[str, list[str]] = {}
        for name, inner in items:
            found |= flat(inner, f"{place}.{name}" if place else str(name))
        return found
    return {place: [{True: "true", False: "false"}.get(node, str(node))]}


def definition(text: str) -> Definition:
    return parse_yaml(text, Path("rule.yaml"), Definition).value


@pytest.mark.parametrize(
    "path", [None, *sorted((ROOT / "catalogue").glob("*.yaml"))], ids=lambda p: p.stem if p else "f"
)
def test_a_rule_that_is_shown_and_sent_back_is_the_same(path: Path | None) -> None:
    before = definition(FORM if path is None else path.read_text())
    assert definition_in(form_in(flat(form_of(before)))) == before


def sent() -> dict[str, Any]:
    return form_in(flat(form_of(definition(FORM))))


def changed(action: str) -> dict[str, Any]:
    return changed_form(sent(), action, Schema())


def test_buttons_add_remove_and_convert_parts() -> None:
    assert len(changed("row when.any")["when"]["any"]) == 3
    assert "any" in changed("group when.any.1.none")["when"]["any"][1]["none"][1]
    assert len(changed("remove when.any.0")["when"]["any"]) == 1
    assert list(changed("turn when.any all")["when"]) == ["all"]
    assert "none" not in changed("turn when.any.1.none any")["when"]["any"][1]
    assert changed("number when.any.0.value")["when"]["any"][0]["value"] == "1"
    assert (
        "measure"
        in changed("compare when.any.1.none.0.value")["when"]["any"][1]["none"][0]["value"]
    )
    assert changed("variant message.variants")["message"]["variants"][1] == {
        "title": "",
        "body": "",
    }
    assert changed("value values")["values"][2] == {"name": "", "feel": ""}
    assert len(changed("term score.terms")["score"]["terms"]) == 2
    condition = "".join(changed("feel when")["when"].split("\n"))
    assert condition.replace(" ", "").startswith('total(payments[categoryin("transport","fuel")')
    assert changed("feel score")["score"].startswith("clamp(10 + min(2 * count(payments)")
    assert changed("feel values.0")["values"][0]["feel"].startswith("total(")


def test_a_correction_replaces_its_characters_after_an_emoji() -> None:
    form = {**sent(), "when": '"🐎" = "x" or catgory = 1'}
    start = utf16(form["when"], form["when"].index("catgory"))
    found = changed_form(form, f"fix when {start} {start + 7} booking date", Schema())
    assert found["when"] == '"🐎" = "x" or booking date = 1'


@pytest.mark.parametrize(
    "action",
    ["", "explode", "remove", "remove when", "remove when.any.9", "remove title.0", "row title",
     "turn when.all any", "turn when.any some", "compare title", "fix when 0 x y",
     "fix nothing 0 1 a", "feel title", "feel values.9", "number when.any.7.value",
     "group message.title.x"],
)  # fmt: skip
def test_an_action_that_makes_no_sense_is_refused(action: str) -> None:
    with pytest.raises(UserError):
        changed(action)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"values.0.name": [""], "values.0.feel": ["1"]}, "values.0.name: a value needs a name"),
        ({"values.0.name": ["a"], "values.1.name": ["a"]}, "values.1.name: a is given twice"),
        ({"rest": ["title: other"]}, "rest: it may have approval, offer, feed, tests only"),
        ({"rest": ["- a"]}, "rest: it may have"),
        ({"rest": ["tests: ["]}, "not YAML"),
        ({"kind": ["insigt"]}, "kind: Invalid enum value"),
    ],
)
def test_a_form_that_is_no_definition_says_where(
    fields: dict[str, list[str]], message: str
) -> None:
    with pytest.raises(UserError) as error:
        definition_in({**sent(), **form_in(fields)})
    assert message in error.value.message


@pytest.mark.parametrize("in_feel", [True, False])
def test_a_new_form_is_nearly_a_rule(in_feel: bool) -> None:
    form = new_form("fees", "saving", "Fees", in_feel=in_feel)
    form["message"]["body"] = "b"
    assert definition_in(form).id == "fees"


def test_marks_name_the_field_and_its_characters_in_the_units_of_browsers() -> None:
    form = {"values": [{"name": "b", "feel": "🐎 x"}], "when": "true", "message": {"title": "t"}}
    fix = Fix(Span(2, 3), "y")
    wrong = Diagnostic("feel.syntax", Span(2, 3), "wrong", "hint", fix=fix)
    value, elsewhere, end = marks_of(
        [
            Finding(("values", "b"), wrong),
            Finding(("approval", "date"), wrong),
            Finding(("when",), Diagnostic("feel.syntax", Span(4, 4), "ends")),
        ],
        form,
    )
    assert (value.field, value.start, value.end, value.fix) == ("values.0.feel", 3, 4, (3, 4, "y"))
    assert (elsewhere.field, elsewhere.place, elsewhere.fix) == ("", "approval date", None)
    assert (end.field, end.start, end.end) == ("when", 3, 4)


def test_marks_of_a_file_stand_at_its_lines() -> None:
    text = "a: 🐎\nb: wrong\n"
    problem = RuleProblem(Path("r.yaml"), 2, 4, (2, 9), "feel.syntax", "m", "h", "", warning=True)
    unreadable = RuleProblem(
        Path("r.yaml"), 0, 0, (0, 0), "file.shape", "r.yaml:2:1: b: no", "", "", warning=False
    )
    one, other = marks_of_file([problem, unreadable], text)
    assert one.start == utf16(text, text.index("wrong"))
    assert one.end - one.start == 5
    assert (other.start, other.message, other.place) == (6, "b: no", "line 2")


@pytest.mark.parametrize("text", ["", "abc", "🐎", "a🐎b🐎"])
def test_offsets_are_converted_both_ways(text: str) -> None:
    for place in range(len(text) + 1):
        assert code_points(text, utf16(text, place)) == place
    assert utf16(text, len(text)) == len(text.encode("utf-16-le")) // 2
    assert code_points(text, 99) == len(text)


def test_feel_becomes_rows_where_rows_can_say_it() -> None:
    form = new_form("many_taxis", "tip", "Many taxis", in_feel=True)
    form["message"] = {"title": "a", "body": "b"}
    form["when"] = 'count(payments[category in ("transport", "travel") and own transfer]) >= 4'
    form["values"] = [
        {"name": "spent", "feel": "total(payments.amount)"},
        {"name": "odd", "feel": "count(payments) + 1"},
    ]
    assert rows_in(form, Schema()) == {"when", "values.0"}
    rows = changed_form(changed_form(form, "rows when", Schema()), "rows values.0", Schema())
    assert rows["when"] == {
        "all": [
            {
                "what": {
                    "measure": "how many",
                    "where": {"category": "transport\ntravel", "own transfer": "true"},
                },
                "is": "at least",
                "value": "4",
            }
        ]
    }
    assert rows["values"][0] == {"name": "spent", "what": {"measure": "how much"}}
    again = changed_form(rows, "feel when", Schema())
    assert again["when"] == form["when"]
    for action in ("rows values.1", "rows score", "rows when.all"):
        with pytest.raises(UserError, match="cannot say"):
            changed_form(form, action, Schema())


@pytest.mark.parametrize(
    ("place", "text", "message"),
    [
        ("when.all.0.what.days", "soon", "this must be a whole number"),
        ("when.all.0.what.days", "0", "this must be a whole number, at least 1"),
        ("when.all.0.what.days", "9999", "this must be a whole number, at most 3660"),
        ("when.all.0.is", "", "one of the choices must be taken"),
        ("message.body", "", "something must be written here"),
        ("valid_from", "tomorrow", "this is not written as it must be"),
        ("cooldown_days", "x", "this must be a whole number"),
    ],
)
def test_a_wrong_row_is_told_in_words_of_authors(place: str, text: str, message: str) -> None:
    form = new_form("many_taxis", "tip", "Many taxis", in_feel=False)
    form["message"] = {"title": "a", "body": "b"}
    (mark,) = Drafts(BOOK).of_form("many_taxis", "", put(form, place, text), nothing).marks
    assert (mark.field, mark.message) == (place, message)


def put(node: Any, place: str, text: str) -> Any:
    """Return a form with another text at a place."""
    step, _, rest = place.partition(".")
    if isinstance(node, list):
        return [put(one, rest, text) if n == int(step) else one for n, one in enumerate(node)]
    return {**node, step: put(node.get(step, {}), rest, text) if rest else text}
