"""Checks that nobody is evaluated without a valid consent, and that their feed stays as it was."""

import json
import re
import shutil
from pathlib import Path

import pytest
from tests.building import ROOT, bank, copy_rules, day
from tests.commands import command
from tests.conftest import Run

from tuppence.adapters.embedded.consents import Consents
from tuppence.adapters.embedded.database import Database
from tuppence.adapters.embedded.fact_store import FactStore
from tuppence.adapters.embedded.traces import look_for
from tuppence.bootstrap.store import open_store
from tuppence.facts.consent import EVERYTHING, NOTHING, PURPOSES, Consent, Use
from tuppence.facts.schema import Schema
from tuppence.feel.values import Date

ANN, BOB = "C0000007", "C0000008"
CATALOGUE = ROOT / "catalogue"


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    names = ("bank_fees", "cash_share", "groceries_up", "month_in_review", "week_in_review")
    return copy_rules(tmp_path_factory.mktemp("some") / "rules", *names)


@pytest.fixture(scope="module")
def thirty(tmp_path_factory: pytest.TempPathFactory, rules: Path) -> Path:
    store = tmp_path_factory.mktemp("thirty") / "store"
    command("synth", "--store", store, "--customers", 30)
    command("run", "--store", store, "--rules", rules, "--as-of", "2026-05-31")
    return store


@pytest.fixture
def money(tmp_path: Path, thirty: Path) -> Path:
    """Return a store of thirty customers, with a run in May."""
    return shutil.copytree(thirty, tmp_path / "money")


def evaluated(store: Path) -> dict[str, str]:
    """Return the date of each customer's results."""
    with Database(store / "results.sqlite") as database:
        rows = database.get([f"C{number:07d}" for number in range(1, 31)])
    return {name: str(Date(row.as_of)) for name, row in rows.items()}


def test_a_later_statement_of_a_consent_keeps_its_beginning_and_a_withdrawal() -> None:
    first = Consent("ann", "1", "insights", (), "GB", 20, withdrawn=30)
    later = Consent("ann", "1", "insights", (), "GB", 25, confirmed=25)
    assert later.after(None) == later
    assert later.after(first) == Consent("ann", "1", "insights", (), "GB", 20, 25, None, 30)


def test_a_customer_without_a_valid_consent_is_not_evaluated(
    money: Path, rules: Path, tuppence: Run
) -> None:
    tuppence(
        "consent", "grant", ANN, "--on", "2026-01-01", "--until", "2026-06-10", "--store", money
    )
    tuppence("consent", "grant", BOB, "--on", "2026-01-01", "--store", money)
    before = json.loads(tuppence("feed", ANN, "--store", money, "--format", "json").stdout)
    done = tuppence("run", "--store", money, "--rules", rules, "--as-of", "2026-06-30")
    assert re.search(r"customers +29 ", done.stdout)
    days = evaluated(money)
    assert days.pop(ANN) == "2026-05-31"
    assert set(days.values()) <= {"2026-05-31", "2026-06-30"}  # unchanged results keep their date
    assert sum(one == "2026-06-30" for one in days.values()) > 20
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


def test_a_preview_without_customers_says_so(store: Path, tuppence: Run) -> None:
    where = ("--store", store, "--as-of", "2026-06-30")
    tuppence("consent", "grant", "ann", "--on", "2026-01-01", "--store", store)
    tuppence("consent", "withdraw", "ann", "--on", "2026-02-01", "--store", store)
    rule = CATALOGUE / "bank_fees.yaml"
    assert "No customer may be evaluated" in tuppence("rules", "preview", rule, *where).stdout
    found = tuppence("rules", "preview", rule, *where, "--format", "json").stdout
    assert json.loads(found)["customers"] == 0


def test_a_withdrawal_stops_the_next_run_and_a_new_consent_begins_it(
    money: Path, rules: Path, tuppence: Run
) -> None:
    where = ("--store", money)
    tuppence("consent", "grant", ANN, "--on", "2026-01-01", *where)
    tuppence("consent", "confirm", ANN, "--on", "2026-04-01", "--until", "2027-01-01", *where)
    tuppence("consent", "withdraw", ANN, "--on", "2026-06-05", *where)
    tuppence("run", *where, "--rules", rules, "--as-of", "2026-06-30")
    assert evaluated(money)[ANN] == "2026-05-31"
    tuppence("consent", "grant", ANN, "--on", "2026-06-20", "--id", "2", *where)
    tuppence("run", *where, "--rules", rules, "--as-of", "2026-06-30")
    assert evaluated(money)[ANN] == "2026-06-30"
    found = json.loads(tuppence("consent", "list", ANN, *where, "--format", "json").stdout)
    assert [(one["granted"], one["confirmed"], one["withdrawn"]) for one in found] == [
        ("2026-01-01", "2026-04-01", "2026-06-05"),
        ("2026-06-20", None, None),
    ]
    assert "2027-01-01" in tuppence("consent", "list", ANN, *where).stdout


def test_mistakes_in_consents_are_reported(money: Path, tuppence: Run) -> None:
    where = ("--store", money)
    done = tuppence("consent", "withdraw", ANN, *where, status=1)
    assert "there is no consent 1 of customer C0000007" in done.stderr
    done = tuppence("consent", "grant", "nobody", *where, status=1)
    assert "there is no customer nobody" in done.stderr
    days = ("--on", "2026-06-01", "--until", "2026-06-01")
    assert (
        "a consent ends after" in tuppence("consent", "grant", ANN, *days, *where, status=1).stderr
    )
    law = ("--jurisdiction", "zz")
    assert "not a code of two" in tuppence("consent", "grant", ANN, *law, *where, status=1).stderr


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


def test_consents_are_imported_from_banks(tuppence: Run, tmp_path: Path) -> None:
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
    assert not (tmp_path / "money").exists()
    FactStore.create(tmp_path / "money", Schema()).append(bank([]))
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
    for date, access in (("2026-11-01", NOTHING), ("2026-10-31", EVERYTHING)):
        limited = Consents(tmp_path / "money").limited(Use(PURPOSES, day(date), day(date)))
        assert limited.get("ann", EVERYTHING) == access


@pytest.mark.parametrize(
    "grant",
    [
        ("--on", "2026-01-01", "--until", "2026-06-10"),
        ("--on", "2026-01-01", "--purpose", "marketing by others"),
        ("--on", "2026-01-01", "--scope", "balances"),
    ],
    ids=["expired", "another purpose", "no transactions"],
)
def test_without_a_consent_for_it_no_command_gives_facts(
    money: Path, rules: Path, tuppence: Run, grant: tuple[str, ...]
) -> None:
    """Not even for a date on which the consent was valid; the feed and the export stay."""
    where = ("--store", money)
    tuppence("consent", "grant", ANN, *grant, *where)
    for asked in (
        ("explain", ANN, "bank_fees"),
        ("streams", ANN, "--as-of", "2026-02-01"),
        ("forecast", ANN, "--as-of", "2026-02-01"),
    ):
        refused = tuppence(*asked, *where, status=1)
        assert "error[consent.none]: no consent of customer C0000007" in refused.stderr
        assert refused.stdout == ""
    found = tuppence("rules", "preview", CATALOGUE / "bank_fees.yaml", *where, "--format", "json")
    assert json.loads(found.stdout)["customers"] == 29
    tuppence("run", *where, "--rules", rules, "--as-of", "2026-06-30")
    assert evaluated(money)[ANN] == "2026-05-31"
    assert "frozen on " in tuppence("feed", ANN, *where).stderr
    assert json.loads(tuppence("export", ANN, *where).stdout)["transactions"]
    if "--purpose" in grant:
        purpose = ("--purpose", "marketing by others")
        assert tuppence("streams", ANN, *where, "--as-of", "2026-06-30", *purpose).stderr == ""
        assert "frozen" not in tuppence("feed", ANN, *where, *purpose).stderr


def test_without_balances_they_are_unknown_and_the_run_is_another(
    tmp_path: Path, tuppence: Run
) -> None:
    money = ("--store", tmp_path / "money")
    FactStore.create(tmp_path / "money", Schema())
    for customer in ("ann", "bob"):
        rows = [{"booking date": day("2026-06-01"), "amount": -100, "balance": 500}]
        FactStore(tmp_path / "money").append(bank(rows, customer))
    (tmp_path / "rich.yaml").write_text(
        "id: rich\nkind: saving\ntitle: Rich\nwhen: total(accounts.balance) > 1\nscore: 50\n"
        "message: {title: Rich, body: Rich.}\n"
    )
    run = ("run", *money, "--rules", tmp_path / "rich.yaml", "--as-of", "2026-06-30")
    for scope, unknown in (("transactions", 1), ("balances", 0)):
        tuppence("consent", "grant", "ann", "--on", "2026-01-01", "--scope", scope, "--id", scope,
                 *money)  # fmt: skip
        done = json.loads(tuppence(*run, "--format", "json").stdout)
        found = [done[name] for name in ("customers", "unknown", "qualified", "already_finished")]
        assert found == [2, unknown, 2 - unknown, False]
    shown = tuppence("forecast", "ann", *money, "--as-of", "2026-06-30", "--format", "json")
    assert [account["balance"] for account in json.loads(shown.stdout)] == ["5.00"]
    tuppence("consent", "withdraw", "ann", "--id", "balances", *money)
    shown = tuppence("forecast", "ann", *money, "--as-of", "2026-06-30", "--format", "json")
    assert [account["balance"] for account in json.loads(shown.stdout)] == [None]


def test_a_scope_of_the_berlin_group_keeps_its_accounts(tuppence: Run, tmp_path: Path) -> None:
    like_a_card = "4111111111111111"
    access = {"transactions": [{"iban": "DE1"}, {"bban": like_a_card}],
              "balances": [{"iban": "DE1"}],
              "accounts": [{"maskedPan": "123456xxxxxx1234"}], "availableAccounts": "allAccounts",
              "additionalInformation": None}  # fmt: skip
    consent = {"consentStatus": "valid", "validUntil": "2099-11-01", "access": access,
               "lastActionDate": "2026-02-01"}  # fmt: skip
    (tmp_path / "eu.json").write_text(json.dumps(consent))
    FactStore.create(tmp_path / "money", Schema()).append(bank([]))
    where = ("--customer", "ann", "--store", tmp_path / "money")
    tuppence("import", "berlin-group", tmp_path / "eu.json", *where)
    (kept,) = Consents(tmp_path / "money").of("ann")
    named = f"transactions:{open_store(tmp_path / 'money').tokens.of(like_a_card)}"
    assert like_a_card not in named
    assert kept.scope == (
        "accounts:", "availableAccounts", "balances:DE1", named, "transactions:DE1",
    )  # fmt: skip
    assert kept.access == {"balances:DE1", "transactions:DE1", named}
