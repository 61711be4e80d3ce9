"""Templates of messages: allowed and refused constructs, and limits on the output."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.examples import examples

from tuppence.facts.schema import Schema
from tuppence.feel.values import Date
from tuppence.rules.files import read_rules, show
from tuppence.rules.message import message_environment
from tuppence.rules.templates import (
    MAX_OUTPUT,
    TemplateError,
    _generated,
    _joined,
    _simple_parts,
    fill,
    read_template,
)

ENVIRONMENT = message_environment("GBP", "en_GB")
VALUES: dict[str, Any] = {
    "text": "ab",
    "amount": Decimal("12.34"),
    "huge": Decimal("1E6144"),
    "names": ["Ann", "Bo"],
    "rows": [{"payee": "Ann", "amount": Decimal(5)}, {"payee": "Bo", "amount": Decimal(7)}],
    "hundred": ["abc"] * 100,
    "far": Date(10**9),
}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{ amount | money }}", "£12.34"),
        ("{% if amount > 5 and not names == '' %}more{% else %}less{% endif %}", "more"),
        ("{{ 'a' if amount > 50 else 'b' }}", "b"),
        ("{{ names | join(', ') }}, {{ names | first }}, {{ names | last | upper }}",
         "Ann, Bo, Ann, BO"),
        ("{% for a in rows %}{{ a.payee }}{% if not loop.last %}, {% endif %}{% endfor %}",
         "Ann, Bo"),
        ("{{ missing | default('none') }}{% if missing is defined %}!{% endif %}", "none"),
        ("{{ names | length }} {# not shown #}{% raw %}{{ x }}{% endraw %}", "2 {{ x }}"),
    ],
)  # fmt: skip
def test_a_message_can_show_values_choose_words_and_list_elements(template: str, text: str) -> None:
    assert fill(template, ENVIRONMENT, VALUES) == text


pieces = st.one_of(
    st.sampled_from(("You paid ", " – ", "\n", "{# unseen #}", "100 %", "{% raw %}{{{% endraw %}")),
    st.builds(
        "{{{{ {}{} }}}}".format,
        st.sampled_from((*VALUES, "missing", "long", "nothing", "5")),
        st.sampled_from(("", *(f" | {name}" for name in sorted(ENVIRONMENT.filters)))),
    ),
)


@examples(100, 20_000)
@given(st.lists(pieces, max_size=6).map("".join))
def test_a_template_that_only_shows_values_is_filled_as_jinja_does(template: str) -> None:
    values = {**VALUES, "long": "x" * (MAX_OUTPUT + 1), "nothing": None}

    def outcome(how: Callable[[], str]) -> tuple[type, str]:
        try:
            return str, how()
        except (jinja2.TemplateError, TypeError, ValueError) as error:
            return type(error), str(error)

    by_jinja = outcome(lambda: _joined(_generated(template, ENVIRONMENT, values)))
    assert outcome(lambda: fill(template, ENVIRONMENT, values)) == by_jinja


@pytest.mark.parametrize(
    ("template", "simple"),
    [("plain", True), ("{{ text }} {{ amount | money }}", True), ("{{ 5 }}", False),
     ("{{ text | default('x') }}", False), ("{% if text %}x{% endif %}", False)],
)  # fmt: skip
def test_most_templates_only_show_values(template: str, simple: bool) -> None:
    assert (_simple_parts(template, ENVIRONMENT) is not None) is simple


@pytest.mark.parametrize(
    ("template", "place", "message"),
    [
        ("so {{ text * 2000000000 }}", "*", "messages cannot use *"),
        ("{{ 9 ** 9 ** 9 }}", "**", "messages cannot use **"),
        ("{{ text ~ text }}", "~", "messages cannot use ~"),
        ("{{ range(9) }}", "(", "messages cannot use ("),
        ("{{ text.center(2000000000) }}", "(", "messages cannot use ("),
        ("{{ '{:2000000000d}'.format(1) }}", "(", "messages cannot use ("),
        ("{{ lipsum(n=100000) }}", "(", "messages cannot use ("),
        ("{{ text | center(2000000000) }}", "center", "there is no filter center"),
        ("{{ '%2000000000d' | format(1) }}", "format", "there is no filter format"),
        ("{{ text | replace('a', text) }}", "replace", "there is no filter replace"),
        ("{{ text | indent(9999) }}", "indent", "there is no filter indent"),
        ("{{ text | attr('__class__') }}", "attr", "there is no filter attr"),
        ("{{ names | map(attribute='x') }}", "map", "there is no filter map"),
        ("{{ amount is divisibleby(3) }}", "divisibleby", "there is no test divisibleby"),
        ("{{ text.__class__.__mro__ }}", "__mro__", "there is no field __mro__"),
        ("{{ text['__class__'] }}", "[", "messages cannot use ["),
        ("{{ names | join(d=text) }}", "join", "join takes no named"),
        ("{% for a in hundred %}{% for b in hundred %}{% endfor %}{% endfor %}", "for",
         "a for inside another for"),
        ("{% for a in hundred recursive %}{{ a }}{% endfor %}", "for", "a for inside another for"),
        ("{% macro m(n) %}{% endmacro %}", "macro", "messages cannot use macro"),
        ("{% call m() %}{% endcall %}", "call", "messages cannot use call"),
        ("{% set a = 1 %}", "set", "messages cannot use set"),
        ("{% include 'x' %}", "include", "messages cannot use include"),
        ("{% import 'x' as x %}", "import", "messages cannot use import"),
        ("{% extends 'x' %}", "extends", "messages cannot use extends"),
        ("{% filter upper %}x{% endfilter %}", "filter", "messages cannot use filter"),
        ("{% with a = 1 %}{% endwith %}", "with", "messages cannot use with"),
    ],
)  # fmt: skip
def test_constructs_that_compute_are_refused_at_their_place(
    template: str, place: str, message: str
) -> None:
    with pytest.raises(
        TemplateError, match=message.replace("*", r"\*").replace("(", r"\(").replace("[", r"\[")
    ) as caught:
        read_template(template, ENVIRONMENT)
    assert template[slice(*caught.value.span)] == place


@pytest.mark.parametrize(
    "template",
    ["{{" + "(" * 900 + "1" + ")" * 900 + "}}", "{{" + "not " * 450 + "text }}",
     "{% if text %}" * 90 + "x" + "{% endif %}" * 90, "{{ text" + " | upper" * 200 + " }}"],
    ids=["parentheses", "not", "if", "filters"],
)  # fmt: skip
def test_a_deeply_nested_template_is_refused(template: str) -> None:
    with pytest.raises(TemplateError, match="nested too deeply"):
        read_template(template, ENVIRONMENT)


@pytest.mark.parametrize(
    ("template", "values", "message"),
    [
        (
            "{% for a in hundred %}" + "{{ a }}" * 200 + "{% endfor %}",
            VALUES,
            "more than 10,000",
        ),
        ("{{ hundred | join('" + "x" * 1_900 + "') }}", VALUES, "more than 10,000 characters"),
        ("{{ x }}", {"x": "a" * (MAX_OUTPUT + 1)}, "a value has more than 10,000 characters"),
        ("{{ x | length }}", {"x": ["a"] * 101}, "a list has more than 100 elements"),
        ("{{ x | length }}", {"x": {"y": [["a"] * 101]}}, "a list has more than 100 elements"),
        ("{% for a in text %}{{ a }}{% endfor %}", VALUES, "a list is needed"),
        ("{{ text | join('-') }}", VALUES, "a list is needed"),
        (
            "{{ huge | number }}",
            VALUES,
            "a filter for numbers got no number",
        ),
        (
            "{{ huge | money }}",
            VALUES,
            "a filter for numbers got no number",
        ),
        ("{{ far | date }}", VALUES, "out of range"),
        ("{{ names }}", VALUES, "a list cannot be shown"),
        ("{{ rows | first }}", VALUES, "a context cannot be shown"),
        ("{{ names.append }}", VALUES, "something else cannot be shown"),
    ],
)
def test_a_message_that_is_too_long_or_cannot_be_formatted_is_refused(
    template: str, values: dict[str, Any], message: str
) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        fill(template, ENVIRONMENT, values)


def test_a_long_value_that_is_not_shown_is_allowed() -> None:
    assert fill("{{ text }}", ENVIRONMENT, {**VALUES, "x": "a" * 20_000}) == "ab"


def test_an_empty_list_has_no_first_element() -> None:
    with pytest.raises(jinja2.UndefinedError, match="the list is empty"):
        fill("{{ x | first }}", ENVIRONMENT, {"x": []})


def test_a_bad_template_in_a_rule_is_reported_with_file_line_and_column(tmp_path: Path) -> None:
    path = tmp_path / "rule.yaml"
    path.write_text(
        "id: x\nkind: saving\ntitle: t\nwhen: 'true'\nscore: 50\nvalues:\n  v: '\"a\"'\n"
        "message:\n  title: Hello\n  body: >\n    It is\n    {{ v * 99 }} so.\n",
        "utf-8",
    )
    (problem,) = read_rules(path, Schema()).problems
    assert (problem.line, problem.column) == (12, 10)
    assert show(problem).startswith(f"{path}:12:10: error[rule.message]: the message cannot be")
    assert "allowed are values, texts and numbers" in problem.hint
