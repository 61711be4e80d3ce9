"""Without a living consent nobody is evaluated, and the feed stays as it was."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests.building import ROOT, bank, day
from tests.conftest import Run

from tuppence.adapters.embedded.consents import Consents
from tuppence.adapters.embedded.database import Database
from tuppence.adapters.embedded.fact_store import FactStore
from tuppence.adapters.embedded.traces import look_for
from tuppence.facts.consent import Consent
from tuppence.feel.values import Date

ANN, BOB = "C0000007", "C0000008"
CATALOGUE = ROOT / "catalogue"


@pytest.fixture
def money(tmp_path: Path, tuppence: Run) -> Path:
    """A store of thirty customers that was run in May."""
    store = tmp_path / "money"
    tuppence("synth", "--store", store, "--customers", 30)
    tuppence("run", "--store", store, "--rules", CATALOGUE, "--as-of", "2026-05-31")
    return store


def evaluated(store: Path) -> dict[str, str]:
    """The days as of which the customers' results are."""
    with Database(store / "results.sqlite") as database:
        rows = database.get([f"C{number:07d}" for number in range(1, 31)])
    return {name: str(Date(row.as_of)) for name, row in rows.items()}


@pytest.mark.parametrize(
    ("changes", "days"),
    [
        ({}, [20, 30, 39]),
        ({"expires": None}, [20, 30, 39, 40]),
        ({"withdrawn": 30}, []),
        ({"confirmed": 30}, [20, 30, 39]),
    ],
)
def test_when_a_consent_holds(changes: dict[str, Any], days: list[int]) -> None:
    given = {"granted": 20, "expires": 40} | changes
    consent = Consent("ann", "1", "insights", (), "GB", **given)
    assert [day for day in (19, 20, 30, 39, 40) if consent.holds(day)] == days


def test_what_is_told_later_keeps_the_beginning_and_a_withdrawal() -> None:
    first = Consent("ann", "1", "insights", (), "GB", 20, withdrawn=30)
    later = Consent("ann", "1", "insights", (), "GB", 25, confirmed=25)
    assert later.after(None) == later
    assert later.after(first) == Consent("ann", "1", "insights", (), "GB", 20, 25, None, 30)


def test_who_has_no_living_consent_is_not_evaluated(money: Path, tuppence: Run) -> None:
    tuppence(
        "consent", "grant", ANN, "--on", "2026-01-01", "--until", "2026-06-10", "--store", money
    )
    tuppence("consent", "grant", BOB, "--on", "2026-01-01", "--store", money)
    before = json.loads(tuppence("feed", ANN, "--store", money, "--format", "json").stdout)
    done = tuppence("run", "--store", money, "--rules", CATALOGUE, "--as-of", "2026-06-30")
    assert re.search(r"customers +29 ", done.stdout)
    days = evaluated(money)
    assert days.pop(ANN) == "2026-05-31"
    assert set(days.values()) == {"2026-06-30"}
    frozen = tuppence("feed", ANN, "--store", money, "--format", "json")
    assert (
        "frozen on 2026-06-09: no consent of this customer has held since 2026-06-10"
        in frozen.stderr
    )
    kept = [entry["rule_id"] for entry in json.loads(frozen.stdout)]
    assert set(kept) <= {entry["rule_id"] for entry in before}
    assert tuppence("feed", BOB, "--store", money).stderr == ""
    found = tuppence("rules", "preview", CATALOGUE / "bank_fees.yaml", "--store", money)
    assert "qualify   1   3.4 %" in found.stdout  # one of 29


def test_a_withdrawal_stops_the_next_run_and_a_new_consent_begins_it(
    money: Path, tuppence: Run
) -> None:
    where = ("--store", money)
    tuppence("consent", "grant", ANN, "--on", "2026-01-01", *where)
    tuppence("consent", "confirm", ANN, "--on", "2026-04-01", "--until", "2027-01-01", *where)
    tuppence("consent", "withdraw", ANN, "--on", "2026-06-05", *where)
    tuppence("run", *where, "--rules", CATALOGUE, "--as-of", "2026-06-30")
    assert evaluated(money)[ANN] == "2026-05-31"
    tuppence("consent", "grant", ANN, "--on", "2026-06-20", "--id", "2", *where)
    tuppence("run", *where, "--rules", CATALOGUE, "--as-of", "2026-06-30")
    assert evaluated(money)[ANN] == "2026-06-30"
    found = json.loads(tuppence("consent", "list", ANN, *where, "--format", "json").stdout)
    assert [(one["granted"], one["confirmed"], one["withdrawn"]) for one in found] == [
        ("2026-01-01", "2026-04-01", "2026-06-05"),
        ("2026-06-20", None, None),
    ]
    assert "2027-01-01" in tuppence("consent", "list", ANN, *where).stdout


def test_mistakes_are_told(money: Path, tuppence: Run) -> None:
    where = ("--store", money)
    done = tuppence("consent", "withdraw", ANN, *where, status=1)
    assert "there is no consent 1 of customer C0000007" in done.stderr
    done = tuppence("consent", "grant", "nobody", *where, status=1)
    assert "there is no customer nobody" in done.stderr
    days = ("--on", "2026-06-01", "--until", "2026-06-01")
    assert (
        "a consent ends after" in tuppence("consent", "grant", ANN, *days, *where, status=1).stderr
    )


def test_exports_name_consents_and_nothing_of_them_is_left(money: Path, tuppence: Run) -> None:
    where = ("--store", money)
    for name in (ANN, BOB):
        tuppence("consent", "grant", name, "--on", "2026-01-01", *where)
    exported = json.loads(tuppence("export", ANN, *where).stdout)
    assert [one["purpose"] for one in exported["consents"]] == ["insights"]
    assert look_for(money, ANN, []).left.count("consents.sqlite") == 1
    assert "1 consents" in tuppence("forget", ANN, "--yes", *where).stdout
    assert look_for(money, ANN, []).left == ()
    assert len(Consents(money).of(BOB)) == 1


def test_banks_tell_consents(tuppence: Run, tmp_path: Path) -> None:
    uk = {"ConsentId": "urn:1", "Status": "Authorised", "Permissions": ["ReadBalances"],
          "CreationDateTime": "2026-01-01T00:00:00Z", "ExpirationDateTime": "2026-12-31T00:00:00Z",
          "StatusUpdateDateTime": "2026-03-01T00:00:00Z"}  # fmt: skip
    (tmp_path / "uk.json").write_text(json.dumps({"Data": uk}))
    eu = {"consentStatus": "valid", "validUntil": "2026-11-01", "lastActionDate": "2026-02-01",
          "access": {"transactions": [], "balances": []}}  # fmt: skip
    (tmp_path / "eu.json").write_text(json.dumps(eu))
    where = ("--customer", "ann", "--store", tmp_path / "money")
    done = tuppence("import", "open-banking", tmp_path / "uk.json", *where, status=1)
    assert "import accounts or transactions first" in done.stderr
    FactStore(tmp_path / "money").append(bank([]))
    done = tuppence("import", "open-banking", tmp_path / "uk.json", *where)
    assert "consents: 1" in done.stdout
    tuppence("import", "berlin-group", tmp_path / "eu.json", *where)
    listed = Consents(tmp_path / "money").of("ann")
    assert listed == [
        Consent("ann", "urn:1", "insights", ("ReadBalances",), "GB", day("2026-01-01"),
                day("2026-03-01"), day("2026-12-31")),
        Consent("ann", "berlin-group", "insights", ("balances", "transactions"), "EU",
                day("2026-02-01"), None, day("2026-11-01")),
    ]  # fmt: skip
    revoked = uk | {"Status": "Revoked", "StatusUpdateDateTime": "2026-05-01T00:00:00Z"}
    (tmp_path / "uk.json").write_text(json.dumps({"Data": revoked}))
    tuppence("import", "open-banking", tmp_path / "uk.json", *where)
    assert Consents(tmp_path / "money").of("ann")[0].withdrawn == day("2026-05-01")
    assert Consents(tmp_path / "money").lapsed(day("2026-11-01")) == {"ann"}
    assert Consents(tmp_path / "money").lapsed(day("2026-10-31")) == set()
