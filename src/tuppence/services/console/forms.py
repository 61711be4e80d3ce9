"""Turns definitions into the fields of a form, and the fields of a form into definitions.

A field is named by its place, such as `when.all.0.what.days`. Browsers send the ends of lines as
CR and LF, or as LF alone: they become LF, so that places in a text mean the same everywhere.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from tuppence.errors import UserError
from tuppence.rules.definition import Definition, document_of
from tuppence.structured import convert_plain, parse_plain, to_yaml

Plain = dict[str, Any]


def _spaced(name: str) -> str:
    return name.replace("_", " ")


REST: Final = ("approval", "offer", "feed", "tests")
"""Parts that are edited as YAML."""
_TEXTS: Final = frozenset(
    {
        "category",
        "not category",
        "merchant",
        "type",
        "not type",
        "account type",
        "country",
        "state",
        "cadence",
    }
)
"""Conditions of a measure that may be one text or several, a line each."""
NEW_ROW: Final[Plain] = {
    "what": {"measure": "how much", "of": "payments", "days": "30"},
    "is": "at least",
    "value": "1",
}
"""A condition to begin with."""


class _Measure(msgspec.Struct, rename=_spaced, forbid_unknown_fields=True):
    measure: str = ""
    of: str = ""
    field: str = ""
    days: str = ""
    until_days_ago: str = ""
    times: str = ""
    where: dict[str, str] = {}


class _Criteria(msgspec.Struct, rename={"is_": "is"}, forbid_unknown_fields=True):
    all: "list[_Criteria] | None" = None
    any: "list[_Criteria] | None" = None
    none: "list[_Criteria] | None" = None
    what: _Measure | None = None
    is_: str = ""
    value: str | _Measure = ""


class _Term(msgspec.Struct, forbid_unknown_fields=True):
    what: _Measure
    weight: str = ""
    least: str = ""
    most: str = ""


class _Score(msgspec.Struct, forbid_unknown_fields=True):
    start: str = ""
    least: str = ""
    most: str = ""
    terms: list[_Term] = []


class _Value(msgspec.Struct, forbid_unknown_fields=True):
    name: str = ""
    feel: str = ""
    what: _Measure | None = None


class _Wording(msgspec.Struct, forbid_unknown_fields=True):
    title: str = ""
    body: str = ""


class _Message(_Wording, forbid_unknown_fields=True):
    variants: list[_Wording] = []


class _Form(msgspec.Struct, forbid_unknown_fields=True):
    """The shape of a form: texts that need not make sense yet, at known places."""

    id: str = ""
    kind: str = ""
    title: str = ""
    when: str | _Criteria = ""
    score: str | _Score = ""
    message: _Message = msgspec.field(default_factory=_Message)
    values: list[_Value] = []
    description: str = ""
    communication: str = ""
    topic: str = ""
    valid_from: str = ""
    valid_until: str = ""
    expires_after_days: str = ""
    cooldown_days: str = ""
    minimum_history_days: str = ""
    rest: str = ""


def form_of(definition: Definition) -> Plain:
    """Return what the form shows of a definition, in the shape that `form_in` returns."""
    plain = document_of(definition)
    rest = {name: plain.pop(name) for name in REST if name in plain}
    values = plain.pop("values", {})
    plain["values"] = [
        {"name": name, "feel": value} if isinstance(value, str) else {"name": name, "what": value}
        for name, value in values.items()
    ]
    return {**plain, "rest": to_yaml(rest) if rest else ""}


def with_test(form: Plain, test: Mapping[str, Any]) -> Plain:
    """Return a form with another test customer.

    Raises:
        UserError: The rest of the file cannot be read.
    """
    rest = form.get("rest", "").strip()
    plain, _ = parse_plain(rest, Path("the rest of the file")) if rest else ({}, None)
    known = plain if isinstance(plain, dict) else {}
    names = {one.get("name") for one in known.get("tests", []) if isinstance(one, dict)}
    name, number = test["name"], 1
    while name in names:
        number += 1
        name = f"{test['name']}, {number}"
    tests = [*known.get("tests", []), {**test, "name": name}]
    return {**form, "rest": to_yaml({**known, "tests": tests})}


MAX_NAME: Final = 200
"""Maximum number of characters of a field's name."""


def form_in(fields: Mapping[str, Sequence[str]]) -> Plain:
    """Return what a form that was sent says, by place; lists are in the order of their numbers.

    Raises:
        UserError: A field is given twice, or places contradict each other.
    """
    plain: Plain = {}
    for name, values in fields.items():
        if len(name) > MAX_NAME:
            raise UserError("request.body", f"the form has no field {name[:80]!a}")
        if len(values) != 1:
            raise UserError("request.body", f"the form needs the field {name[:80]!a} once")
        text = values[0].replace("\r\n", "\n").replace("\r", "\n")
        text = re.sub(r"\n{2,}\Z", "\n", text)  # empty last lines say nothing
        node, *steps = plain, *name.split(".")
        for step in steps[:-1]:
            node = node.setdefault(step, {})
            if not isinstance(node, dict):
                raise UserError("request.body", f"the field {name[:80]!a} contradicts another one")
        node[steps[-1]] = text
    return shaped_form(_lists(plain))


def shaped_form(form: Plain) -> Plain:
    """Return a form unchanged.

    Raises:
        UserError: It has places that a form does not have, or other things than texts there.
    """
    try:
        msgspec.convert(form, _Form)
    except msgspec.ValidationError as error:
        raise UserError("request.body", f"this is no form of a rule: {error}") from None
    return form


def _lists(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    if node and all(name.isdecimal() for name in node):
        return [_lists(node[name]) for name in sorted(node, key=int)]
    return {name: _lists(value) for name, value in node.items()}


def definition_in(form: Plain) -> Definition:
    """Return the definition that a form says.

    Raises:
        UserError: Something in it has another shape; the message begins with the place.
    """
    plain = {name: form[name] for name in Definition.__struct_fields__ if _has(form, name)}
    rest = form.get("rest", "").strip()
    if rest:
        more, _ = parse_plain(rest, Path("the rest of the file"))
        known = more if isinstance(more, dict) else {}
        strange = sorted({*known} - {*REST})
        if not known or strange:
            message = f"rest: it may have {', '.join(REST)} only"
            raise UserError("file.shape", message, f"remove {strange[0]}" if strange else "")
        plain |= known
    plain["values"] = _values(form.get("values", []))
    if isinstance(plain.get("when"), dict):
        plain["when"] = _criteria(plain["when"])
    if isinstance(plain.get("score"), dict):
        plain["score"] = _score(plain["score"])
    return convert_plain(plain, Definition)


def _has(form: Plain, name: str) -> bool:
    """Return whether a part is said; an empty text says nothing, except where one is needed."""
    return name in form and (form[name] != "" or name in {"id", "title", "when", "score"})


def _values(rows: Sequence[Plain]) -> Plain:
    found: Plain = {}
    for number, row in enumerate(rows):
        name = row.get("name", "").strip()
        if not name:
            raise UserError("file.shape", f"values.{number}.name: a value needs a name")
        if name in found:
            raise UserError("file.shape", f"values.{number}.name: {name} is given twice")
        found[name] = _measure(row["what"]) if "what" in row else row.get("feel", "")
    return found


def _criteria(row: Plain) -> Plain:
    for group in ("all", "any", "none"):
        if group in row:
            return {group: [_criteria(inner) for inner in row[group] or []]}
    value = row.get("value")
    if isinstance(value, dict):
        value = _measure(value)
    elif isinstance(value, str):
        value = _lines(value)
    return {"what": _measure(row.get("what", {})), "is": row.get("is"), "value": value}


def _score(score: Plain) -> Plain:
    terms = [
        {**_without_blanks(term), "what": _measure(term.get("what", {}))}
        for term in score.get("terms", [])
    ]
    return {**_without_blanks(score), "terms": terms}


def _measure(measure: Plain) -> Plain:
    found = _without_blanks(measure)
    where = {
        name: _lines(text) if name in _TEXTS else text
        for name, text in _without_blanks(measure.get("where", {})).items()
    }
    found.pop("where", None)
    return {**found, "where": where} if where else found


def _without_blanks(node: Plain) -> Plain:
    return {name: value for name, value in node.items() if value != ""}


def _lines(text: Any) -> Any:
    """Return the lines of a text; a single one by itself."""
    if not isinstance(text, str):
        return text
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    return lines if len(lines) > 1 else "".join(lines)


def new_form(identifier: str, kind: str, title: str, *, in_feel: bool) -> Plain:
    """Return the form of a new rule.

    Args:
        identifier: Its identifier.
        kind: Its kind.
        title: Its title.
        in_feel: Whether its condition is written in FEEL, not in rows.
    """
    condition: Any = 'total(payments[category = "bank fee"].amount) >= 5'
    if not in_feel:
        condition = {"all": [NEW_ROW]}
    return {
        "id": identifier,
        "kind": kind,
        "title": title,
        "when": condition,
        "score": "50",
        "values": [],
        "message": {"title": title, "body": ""},
        "rest": "",
    }
