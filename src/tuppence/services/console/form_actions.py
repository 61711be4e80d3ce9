"""The buttons of a form that add, remove, convert and correct parts of it, without any script."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from tuppence.errors import UserError
from tuppence.facts.schema import Schema
from tuppence.rules.definition import Criteria, Measure, rule_of
from tuppence.rules.form_reading import criteria_in, measure_in
from tuppence.services.console.forms import MAX_NAME, NEW_ROW, Plain, definition_in, shaped_form
from tuppence.services.console.marking import code_points, text_at
from tuppence.structured import Location

_ADDED: Final[Mapping[str, Plain]] = {
    "row": NEW_ROW,
    "group": {"any": [NEW_ROW]},
    "term": {"what": NEW_ROW["what"]},
    "value": {"name": "", "feel": ""},
    "measure": {"name": "", "what": NEW_ROW["what"]},
    "variant": {"title": "", "body": ""},
}
"""Elements that the verb `add` puts into a list, by their names."""
_GROUPS: Final = ("all", "any", "none")


def changed_form(form: Plain, action: str, schema: Schema) -> Plain:
    """Return a form after a button was pressed.

    Args:
        form: The form.
        action: A verb, a place and more, such as `remove when.all.1`.
        schema: Schema of the facts.

    Raises:
        UserError: There is no such action or place.
    """
    verb, where, *more = [*action.split(" ", 2), ""][:3]
    if len(where) > MAX_NAME:
        raise _no_place()
    place: Location = tuple(int(s) if s.isdecimal() else s for s in where.split(".") if s)
    rest = more[0] if more else ""
    match verb:
        case "feel":
            found = _in_feel(form, place, schema)
        case "rows":
            found = _in_rows(form, place, schema)
        case "remove" if place:
            found = _at(form, place[:-1], lambda rows: _without(rows, place[-1]))
        case "turn" if place and rest in _GROUPS:
            found = _at(form, place[:-1], lambda group: {rest: _item(group, place[-1])})
        case "compare":
            found = _at(form, place, lambda _: dict(NEW_ROW["what"]))
        case "number":
            found = _at(form, place, lambda _: "1")
        case "fix":
            found = _fixed(form, where, place, rest)
        case _ if verb in _ADDED:
            found = _at(form, place, lambda rows: [*_rows(rows), _ADDED[verb]])
        case _:
            raise UserError("request.body", f"{action[:80]!a} is no action of this form")
    return shaped_form(found)


def _in_feel(form: Plain, place: Location, schema: Schema) -> Plain:
    """Return a form with the part at a place written in FEEL."""
    rule = rule_of(definition_in(form), schema)
    if place in {("when",), ("score",)}:
        return {**form, str(place[0]): rule.when if place == ("when",) else rule.score}

    def value(row: Any) -> Plain:
        name = _item(row, "name")
        return {"name": name, "feel": rule.values[name.strip()]}

    if place[:1] != ("values",) or len(place) != 2:
        raise _no_place()
    return _at(form, place, value)


def rows_in(form: Plain, schema: Schema) -> frozenset[str]:
    """Return the fields with FEEL that rows of the form could say."""
    found = set()
    when = form.get("when")
    if isinstance(when, str) and criteria_in(when, schema) is not None:
        found.add("when")
    for number, row in enumerate(form.get("values", [])):
        if "feel" in row and measure_in(row["feel"], schema) is not None:
            found.add(f"values.{number}")
    return frozenset(found)


def _in_rows(form: Plain, place: Location, schema: Schema) -> Plain:
    """Return a form with the FEEL at a place in rows."""
    if ".".join(map(str, place)) not in rows_in(form, schema):
        raise UserError("request.body", "rows of the form cannot say what this text says")
    if place == ("when",):
        return {**form, "when": _as_texts(criteria_in(form["when"], schema))}
    return _at(
        form,
        place,
        lambda row: {"name": row["name"], "what": _as_texts(measure_in(row["feel"], schema))},
    )


def _as_texts(part: Criteria | Measure | None) -> Any:
    """Return a part of a definition as a form sends it: all of it in texts, several a line each."""

    def texts(node: Any) -> Any:
        if isinstance(node, dict):
            return {name: texts(value) for name, value in node.items()}
        if isinstance(node, list) and all(isinstance(one, str) for one in node):
            return "\n".join(node)
        if isinstance(node, list):
            return [texts(one) for one in node]
        return {True: "true", False: "false"}[node] if isinstance(node, bool) else str(node)

    return texts(msgspec.to_builtins(part))


def _fixed(form: Plain, field: str, place: Location, rest: str) -> Plain:
    """Return a form with a proposed correction: `START END TEXT`, in UTF-16 units."""
    before = text_at(form, field)
    start, end, text = [*rest.split(" ", 2), "", "", ""][:3]
    if before is None or not all(one.isdecimal() and len(one) < 10 for one in (start, end)):
        raise _no_place()
    first, last = (code_points(before, int(offset)) for offset in (start, end))
    return _at(form, place, lambda _: f"{before[:first]}{text}{before[last:]}")


def _at(form: Plain, place: Location, edit: Callable[[Any], Any]) -> Plain:
    """Return a form with the part at a place changed."""
    found: Plain = _changed(form, place, edit)
    return found


def _changed(node: Any, place: Location, edit: Callable[[Any], Any]) -> Any:
    if not place:
        return edit(node)
    step, rest = place[0], place[1:]
    if isinstance(node, list) and isinstance(step, int) and step < len(node):
        return [*node[:step], _changed(node[step], rest, edit), *node[step + 1 :]]
    if isinstance(node, dict) and isinstance(step, str):
        return {**node, step: _changed(node.get(step, {} if rest else None), rest, edit)}
    raise _no_place()


def _rows(node: Any) -> list[Any]:
    """Return the rows of a list, which a form without rows does not send."""
    if node is None or isinstance(node, list):
        return node or []
    raise _no_place()


def _without(node: Any, number: str | int) -> list[Any]:
    rows = _rows(node)
    if not isinstance(number, int) or number >= len(rows):
        raise _no_place()
    return [*rows[:number], *rows[number + 1 :]]


def _item(node: Any, name: str | int) -> Any:
    if not isinstance(node, dict) or name not in node:
        raise _no_place()
    return node[name]


def _no_place() -> UserError:
    return UserError("request.body", "the form has no such place")
