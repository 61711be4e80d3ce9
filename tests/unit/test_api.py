"""The public Python interface: what it refuses, and that importing it costs nothing."""

import ast
import inspect
import re
import subprocess
import sys
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.building import ROOT, bank, day, frame

import tuppence
from tuppence.adapters.embedded.consents import Consents
from tuppence.adapters.embedded.fact_store import FactStore
from tuppence.derived.context import customer_context
from tuppence.facts.consent import PURPOSE, SCOPE, Consent
from tuppence.facts.schema import Field, FieldType, Schema
from tuppence.feel.values import Date

TODAY = date(2026, 6, 30)
ANN: dict[str, Any] = {
    "customer": {"currency": "GBP"},
    "accounts": {"id": ["main"], "type": ["current"]},
    "transactions": {
        "account": ["main"],
        "booking date": ["2026-06-10"],
        "amount": [-1250],
        "category": ["bank fee"],
        "own transfer": [False],
    },
}
BOB = {**ANN, "accounts": {"id": ["bob"], "type": ["current"]}}
BOB["transactions"] = {**ANN["transactions"], "account": ["bob"], "amount": [-100]}


@pytest.fixture(scope="module")
def rules() -> tuppence.Rules:
    return tuppence.read_rules("catalogue/bank_fees.yaml")


def test_importing_the_package_loads_no_other_package() -> None:
    code = (
        "import sys; before = set(sys.modules); import tuppence; print(set(sys.modules) - before)"
    )
    printed = subprocess.check_output([sys.executable, "-c", code], text=True)
    loaded = {name.partition(".")[0] for name in eval(printed)}  # noqa: S307 - a set of names
    assert "tuppence" in loaded
    assert not loaded & {"babel", "jinja2", "msgspec", "numba", "numpy", "polars", "rich", "typer"}


def test_every_public_name_exists_and_is_documented() -> None:
    page = (ROOT / "docs/reference/python.md").read_text("utf-8")
    for name in tuppence.__all__:
        assert getattr(tuppence, name) is not None
        assert name in page, name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        tuppence.nothing  # type: ignore[attr-defined] # noqa: B018 - the look-up is the test


def test_functions_have_the_parameters_that_are_promised() -> None:
    page = (ROOT / "docs/reference/python.md").read_text("utf-8")
    promised = dict(re.findall(r"^\| `(\w+)(\(.*?\)) -> ", page, re.MULTILINE))
    found = {name: inspect.signature(getattr(tuppence, name)) for name in promised}
    assert {name: without_types(one) for name, one in found.items()} == {
        name: ast.unparse(ast.parse(f"def f{text}: ...")) for name, text in promised.items()
    }
    functions = {name for name in tuppence.__all__ if inspect.isfunction(getattr(tuppence, name))}
    assert promised.keys() == functions


def without_types(signature: inspect.Signature) -> str:
    """Return a function with the parameters of a signature and their defaults."""
    plain = [one.replace(annotation=one.empty) for one in signature.parameters.values()]
    return ast.unparse(ast.parse(f"def f{inspect.Signature(plain)}: ..."))


def test_customers_keep_their_names_and_order(rules: tuppence.Rules) -> None:
    results = tuppence.evaluate(rules, tuppence.facts_from({"zoe": ANN, "bob": BOB}), TODAY)
    assert [(one.customer_id, one.state) for one in results] == [
        ("zoe", "qualified"),
        ("bob", "not_qualified"),
    ]
    alone = tuppence.facts_from({"bob": BOB, "zoe": ANN}).of("zoe")
    assert tuppence.evaluate(rules, alone, TODAY)[0].values == results[0].values


def test_ambiguous_arguments_are_refused(rules: tuppence.Rules) -> None:
    two = tuppence.facts_from({"ann": ANN, "bob": BOB})
    results = tuppence.evaluate(rules, two, TODAY)
    wrong: list[tuple[str, Any]] = [
        ("facts.shape", lambda: tuppence.facts_from({"ann": {**ANN, "customer": {}}})),
        ("facts.unknown-customer", lambda: two.of("carl")),
        ("facts.one", lambda: tuppence.explain(rules, "bank_fees", two, TODAY)),
        ("rule.unknown", lambda: tuppence.explain(rules, "none", two.of("ann"), TODAY)),
        ("results.one", lambda: tuppence.rank(rules, results, TODAY)),
        ("store.missing", lambda: tuppence.open_store("nowhere")),
    ]
    for code, call in wrong:
        with pytest.raises(tuppence.UserError) as error:
            call()
        assert error.value.code == code


def test_rules_and_facts_of_different_attributes_are_refused(
    tmp_path: Path, rules: tuppence.Rules
) -> None:

    schema = Schema(attributes=(Field("tier", FieldType.TEXT, "Of service."),))
    rows = bank([{"booking date": day("2026-06-10"), "amount": -1}])
    people = frame("customers", [{"id": "ann", "currency": "GBP"}], schema)
    FactStore.create(tmp_path / "store", schema).append(replace(rows, customers=people))
    store = tuppence.open_store(tmp_path / "store")
    facts = store.find("ann", TODAY, today=TODAY)
    with pytest.raises(tuppence.UserError, match="other customer attributes"):
        tuppence.evaluate(rules, facts, TODAY)
    fitting = tuppence.read_rules("catalogue/bank_fees.yaml", store)
    assert tuppence.evaluate(fitting, facts, TODAY)[0].state == "not_qualified"


def test_customers_whose_consents_forbid_it_are_not_read(
    tmp_path: Path, rules: tuppence.Rules
) -> None:
    facts = FactStore.create(tmp_path, Schema())
    for name, amount in (("ann", -1), ("bob", -2), ("zoe", -3)):
        facts.append(bank([{"booking date": day("2026-06-10"), "amount": amount}], name))
    withdrawn = Consent(
        "bob", "1", PURPOSE, SCOPE, "GB", day("2026-01-01"), withdrawn=day("2026-02-01")
    )
    Consents(tmp_path).record([withdrawn])
    (found,) = tuppence.open_store(tmp_path).read(TODAY, today=TODAY)
    assert found.customers == ("ann", "zoe")
    results = tuppence.evaluate(rules, found, TODAY)
    assert [one.customer_id for one in results] == ["ann", "zoe"]
    amounts = customer_context(found.of("zoe")._batch, 0, Date(day("2026-06-30")))["transactions"]
    assert [row["amount"] for row in amounts] == [Decimal("-0.03")]
    Consents(tmp_path).record(
        msgspec.structs.replace(withdrawn, customer=name) for name in ("ann", "zoe")
    )
    assert list(tuppence.open_store(tmp_path).read(TODAY, today=TODAY)) == []
