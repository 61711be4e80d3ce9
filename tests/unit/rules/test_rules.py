"""Rule files, valid and invalid, and the rulesets and messages made of them."""

import json
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from tests.building import ROOT

from tuppence.engine.rule_tests import try_examples
from tuppence.errors import UserError
from tuppence.facts.schema import Schema
from tuppence.feel import Date
from tuppence.rules.definition import json_schema
from tuppence.rules.domain import load_definitions
from tuppence.rules.files import read_rules, show
from tuppence.rules.message import render
from tuppence.rules.rule import Message, Rule, Wording
from tuppence.rules.ruleset import make_ruleset, read_ruleset

RULE = """
id: fees
kind: saving
title: Fees were charged
when: total(payments[category = "bank fee"].amount) > 5
score: 40
values:
  fees: total(payments[category = "bank fee"].amount)
message:
  title: "{{ fees | money }} in fees"
  body: Ask your bank.
"""


def shown(tmp_path: Path, text: str) -> list[str]:
    (tmp_path / "rule.yaml").write_text(text)
    problems = read_rules(tmp_path / "rule.yaml", Schema()).problems
    return [show(p).replace(f"{tmp_path}/", "") for p in problems]


def test_a_valid_rule_has_no_problems(tmp_path: Path) -> None:
    assert shown(tmp_path, RULE) == []


def test_an_approved_promotion_is_valid(tmp_path: Path) -> None:
    approval = "approval: {by: A Firm, date: 2026-05-01, reference: FP-7}"
    promotion = f"kind: offer\ncommunication: financial promotion\n{approval}"
    assert shown(tmp_path, RULE.replace("kind: saving", promotion)) == []


def test_a_problem_is_shown_with_its_place_carets_and_a_hint(tmp_path: Path) -> None:
    text = RULE.replace(
        'when: total(payments[category = "bank fee"].amount) > 5',
        """when: |
  1 = 1 and
    total(paymets.amount) > 5""",
    )
    (problem,) = shown(tmp_path, text)
    assert problem == (
        "rule.yaml:7:11: error[feel.unknown-name]: there is no paymets here\n"
        "        total(paymets.amount) > 5\n"
        "              ^^^^^^^\n"
        "    hint: did you mean payments?"
    )


PLACES = [
    ("when: 1 +", "rule.yaml:5:10: error[feel.syntax]"),
    ("when: 'x > 5'", "rule.yaml:5:8: error[feel.unknown-name]"),
    ("when: >\n  true and\n  x > 5", "rule.yaml:7:3: error[feel.unknown-name]"),
    ("when: true and\n  x > 5", "rule.yaml:6:3: error[feel.unknown-name]"),
    ('when: "\\u0078 > 5"', "rule.yaml:5:7: error[feel.unknown-name]"),
    (
        "when: 5",
        "rule.yaml:5:7: error[feel.result-type]: this is a number, and a boolean is needed",
    ),
    ('when: total(payments.amount) > "5"', "rule.yaml:5:7: error[feel.operand-type]"),
    ("when: payments[amount = 1", "rule.yaml:5:26: error[feel.syntax]"),
    ("when: sum(payments.amount) > 5", "rule.yaml:5:7: warning[feel.null-prone]"),
]


@pytest.mark.parametrize(("when", "place"), PLACES, ids=[place for _, place in PLACES])
def test_places_are_exact_in_every_style_of_yaml(tmp_path: Path, when: str, place: str) -> None:
    text = RULE.replace('when: total(payments[category = "bank fee"].amount) > 5', when)
    assert shown(tmp_path, text)[0].startswith(place)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("score: 40", 'score: "\'a\'"', "error[feel.syntax]"),
        ("score: 40", "score: today()", "this is a date, and a number is needed"),
        ("  fees: total", "  count: total", "the value count hides the fact or function"),
        ('| money }} in', '| money }} {{ x }} in', "the message uses x, which is not a value"),
        ("  body: Ask your bank.", "  body: x\n  variants: [{title: x, body: '{{ y }}'}]",
         ":12:35: error[rule.message]: the message uses y, which is not a value"),
        ("| money", "| geld", "the message cannot be written: there is no filter geld"),
        ("{{ fees | money }}", "{{ fees | money }", "the message cannot be written: unexpected"),
        ("{{ fees | money }}", "{{ 'a lot' | money }}", "a lot is not an amount"),
        ("{{ fees | money }}", "{{ fees * 6 | money }}", "the message cannot be written: messages"),
        ("| money", "| date", "is not a date"),
        ('fees: total(payments[category = "bank fee"].amount)', "fees: max(payments.amount)",
         "the value fees can be null, which would leave a gap in the message"),
        ("kind: saving", "kind: spam", ":3:7: kind: Invalid enum value 'spam'"),
        ("id: fees", "id: Fees!", ":2:5: id: Expected `str` matching regex"),
        ("title: Fees were charged\n", "", ":2:1: Object missing required field `title`"),
        ("score: 40", "score: 40\nweight: 2", ":2:1: Object contains unknown field `weight`"),
        ("score: 40", "score: 40\nexpires_after_days: 0", "expires_after_days: Expected `int`"),
        ("kind: saving", "kind: offer\ncommunication: financial promotion",
         ":4:16: error[rule.approval]: a financial promotion needs the approval of"),
        ("kind: saving", "kind: offer\napproval: {by: A Firm}", "missing required field `date`"),
        ("title: Fees", "title: Fees: many", "error[file.yaml]"),
        ("id: fees", "", "Object missing required field `id`"),
    ],
)  # fmt: skip
def test_every_part_of_a_rule_is_checked(tmp_path: Path, old: str, new: str, problem: str) -> None:
    assert any(problem in text for text in shown(tmp_path, RULE.replace(old, new)))


def test_all_problems_of_all_files_are_reported_together(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(RULE.replace("payments", "paymets"))
    (tmp_path / "b.yaml").write_text("id: [")
    (tmp_path / "c.yaml").write_text(RULE)
    (tmp_path / "d.yaml").write_text(RULE)
    files = read_rules(tmp_path, Schema())
    found = [(p.path.name, p.code) for p in files.problems]
    assert found == [
        ("a.yaml", "feel.unknown-name"),
        ("a.yaml", "feel.unknown-name"),
        ("b.yaml", "file.yaml"),
        ("c.yaml", "rules.duplicate-id"),
        ("d.yaml", "rules.duplicate-id"),
    ]
    with pytest.raises(UserError, match="5 errors in the rules") as caught:
        files.usable()
    assert len(caught.value.details) == 5


def test_a_folder_without_rules_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there are no rules here"):
        read_rules(tmp_path, Schema())
    with pytest.raises(UserError, match="there is no such file or folder"):
        read_rules(tmp_path / "none", Schema())


def test_the_catalogue_is_valid_and_its_rule_tests_pass() -> None:
    files = read_rules(ROOT / "catalogue", Schema())
    assert [show(problem) for problem in files.problems] == []
    assert len(files.rules) >= 60
    for checked in files.rules:
        expected = {example.expect for example in checked.rule.tests}
        assert expected >= {"qualified", "not_qualified"}, checked.rule.id
        for verdict in try_examples(checked, Schema()):
            assert verdict.failures == (), (verdict.rule_id, verdict.name)


def test_the_json_schema_describes_the_catalogue_and_all_fields() -> None:
    schema = json_schema()
    assert schema["$schema"].startswith("https://json-schema.org/")
    properties = schema["$defs"]["Definition"]["properties"]
    assert set(properties) == {*Rule.__struct_fields__, "valid_from", "valid_until"}
    assert schema["$defs"]["Definition"]["additionalProperties"] is False


# -- test customers --------------------------------------------------------------------------------


def failures_of(tmp_path: Path, example: str) -> list[str]:
    (tmp_path / "rule.yaml").write_text(RULE + "tests:\n  - " + example)
    (checked,) = read_rules(tmp_path / "rule.yaml", Schema()).usable()
    return [failure for verdict in try_examples(checked, Schema()) for failure in verdict.failures]


PAID = "{name: a, expect: qualified, transactions: [{days ago: 1, amount: -6, category: bank fee}]"


@pytest.mark.parametrize(
    ("example", "failures"),
    [
        (PAID + "}", []),
        (PAID + ", score: '40', values: {fees: '6'}}", []),
        (PAID + ", score: '41'}", ["expected the score 41, and it is 40.0000"]),
        (PAID + ", score: x}", ["expected the score x, and it is 40.0000"]),
        (PAID + ", values: {fees: '7'}}", ["expected fees to be 7, and it is 6"]),
        (PAID + ", values: {fee: '7'}}", ["there is no value fee"]),
        (PAID + ", values: {fees: '('}}",
         ["values.fees: line 1, column 2: the text ends where a value was expected"]),
        ("{name: a, expect: qualified}",
         ["expected qualified, and it is not_qualified",
          'false: total(payments[category = "bank fee"].amount) > 5',
          '    total(payments[category = "bank fee"].amount) is 0']),
    ],
)  # fmt: skip
def test_a_rule_test_fails_on_every_unexpected_result(
    tmp_path: Path, example: str, failures: list[str]
) -> None:
    assert failures_of(tmp_path, example) == failures


@pytest.mark.parametrize(
    ("example", "message"),
    [
        ("as_of: soon", "has 'soon' as as_of; it must be a date such as 2026-06-15"),
        ("customer: {currency: XYZ}", "has 'XYZ' as currency"),
        ("customer: {shoe size: 40}", "has shoe size, which is not a field"),
        ("customer: {birth year: abc}", "has 'abc' as birth year; it must be of type number"),
        ("accounts: [{id: a, type: null}]", "has None as type; it must not be null"),
        ("accounts: [{id: a, customer: bob}]", "has 'bob' as customer; it must be test customer"),
        (
            "transactions: [{days ago: x, amount: 1}]",
            "'x' as days ago; it must be a whole number",
        ),
        ("transactions: [{amount: 1}]", "has None as booking date; it must be a date, or days ago"),
        ("transactions: [{days ago: 1}]", "has None as amount; it must not be null"),
        (
            "transactions: [{days ago: 1, amount: 1.234}]",
            "as amount; it must be of type money",
        ),
        (
            "transactions: [{days ago: 1, amount: 1, account: x}]",
            "'x' as account; it must be one",
        ),
        (
            "transactions: [{days ago: 1, amount: 1, own transfer: maybe}]",
            "must be of type boolean",
        ),
        ("customer: {since: never}", "has 'never' as since; it must be of type date"),
    ],
)
def test_a_test_customer_with_invalid_facts_is_refused(
    tmp_path: Path, example: str, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        failures_of(tmp_path, "{name: a, expect: qualified, " + example + "}")


def test_test_customers_may_have_booking_dates(tmp_path: Path) -> None:
    assert (
        failures_of(tmp_path, PAID.replace("days ago: 1", 'booking date: "2026-06-14"') + "}") == []
    )


# -- rulesets --------------------------------------------------------------------------------------


def test_the_digest_of_a_ruleset_depends_on_its_content_only() -> None:
    rules = read_rules(ROOT / "catalogue", Schema()).usable()
    ruleset = make_ruleset(rules)
    assert make_ruleset(reversed(rules)).digest == ruleset.digest
    assert make_ruleset(rules[1:]).digest != ruleset.digest
    again = read_ruleset(ruleset.content, Schema())
    assert (again.digest, again.content) == (ruleset.digest, ruleset.content)
    assert [r.rule.id for r in again.rules] == sorted(r.rule.id for r in rules)
    assert b'"tests": []' not in ruleset.content or b"a coffee twice" not in ruleset.content


def test_a_damaged_or_unfitting_ruleset_is_refused() -> None:
    with pytest.raises(UserError, match="the ruleset is damaged"):
        read_ruleset(b"{", Schema())
    rule = msgspec.convert(
        {"id": "a", "kind": "tip", "title": "A", "when": "customer.segment = 1", "score": "1",
         "message": {"title": "A", "body": "A"}}, Rule,
    )  # fmt: skip
    with pytest.raises(UserError, match="of format 1, and this version reads 3"):
        read_ruleset(b'{"format": 1, "rules": []}', Schema())
    content = json.dumps({"format": 3, "rules": [msgspec.to_builtins(rule)]}).encode()
    with pytest.raises(UserError, match="the rule a does not fit these facts"):
        read_ruleset(content, Schema())


def test_domain_functions_must_be_functions() -> None:
    assert set(load_definitions()) == {
        "total", "average", "clamp", "percentage", "largest", "smallest", "month start",
    }  # fmt: skip


# -- messages --------------------------------------------------------------------------------------


def message(
    title: str, values: dict[str, object], currency: str = "GBP", locale: str = "en_GB"
) -> str:
    rule = msgspec.convert(
        {"id": "a", "kind": "tip", "title": "A", "when": "true", "score": "1",
         "message": {"title": title, "body": "x"}}, Rule,
    )  # fmt: skip
    return render(rule, values, currency, locale).title


def test_money_and_dates_are_formatted_for_the_locale() -> None:
    amount, date = Decimal("1234.5"), Date(20_000)
    assert message("{{ x | money }}", {"x": amount}) == "£1,234.50"
    assert message("{{ x | money }}", {"x": Decimal(12)}) == "£12"
    assert message("{{ x | money }}", {"x": amount}, "EUR", "de_DE") == "1.234,50\xa0€"
    assert message("{{ x | money }}", {"x": amount}, "JPY", "ja_JP") in {"￥1,234", "¥1,234"}
    assert message("{{ x | number }}", {"x": amount}, locale="de_DE") == "1.234,5"
    assert message("{{ x | percent }}", {"x": Decimal(25)}) == "25%"
    assert message("{{ x | date }}", {"x": date}) == "4 October 2024"
    assert message("{{ x | day_month }}", {"x": date}, locale="cs_CZ") == "4 října"


def test_wordings_are_shown_in_turn() -> None:
    first, second = Wording("a", "b {{ x }}"), Wording("c {{ x }}", "d")
    said = Message(first.title, first.body, [second])
    rule = Rule("r", "tip", "R", "true", "1", said, expires_after_days=3, cooldown_days=4)
    titles = [render(rule, {"x": "y"}, "GBP", "en_GB", number).title for number in range(3)]
    assert titles == ["a", "c y", "a"]


def test_a_message_with_a_missing_value_is_refused() -> None:
    with pytest.raises(UserError, match="the message of a cannot be written: 'x' is undefined"):
        message("{{ x }}", {"x": None})
    with pytest.raises(UserError, match="there is no locale klingon"):
        message("x", {}, locale="klingon")


def test_a_message_cannot_reach_attributes_of_python() -> None:
    with pytest.raises(UserError, match="cannot be written"):
        message("{{ x.__class__.__mro__ }}", {"x": "a"})
