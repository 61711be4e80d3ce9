"""A store whose secret for tokens is lost says so, and makes no other."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from tests.building import bank, day
from tests.conftest import Run

from tuppence.adapters.embedded.consents import Consents
from tuppence.adapters.embedded.fact_store import FactStore
from tuppence.adapters.embedded.identifier_key import identifier_key
from tuppence.adapters.embedded.layout import IDENTIFIER_KEY
from tuppence.adapters.embedded.rejects import Rejects
from tuppence.bootstrap.store import open_store
from tuppence.errors import UserError
from tuppence.facts.consent import PURPOSE, SCOPE, Consent

CARD = "4111111111111111"


def put_customer(store: Path, token: str) -> None:
    FactStore(store).append(bank([], token))


def put_transaction(store: Path, token: str) -> None:
    row = {"id": token, "booking date": day("2026-06-21"), "amount": -5}
    FactStore(store).append(bank([row]))


def put_consent(store: Path, token: str) -> None:
    Consents(store).record([Consent("ann", token, PURPOSE, SCOPE, "GB", 0)])


def put_scope(store: Path, token: str) -> None:
    scope = (f"transactions:{token}",)
    Consents(store).record([Consent("ann", "1", PURPOSE, scope, "GB", 0)])


def put_reject(store: Path, token: str) -> None:
    Rejects(store).put("bank.csv", pl.DataFrame({"reason": ["no date"], "of customer": [token]}))


@pytest.mark.parametrize("put", [put_customer, put_transaction, put_consent, put_scope, put_reject])
def test_no_other_key_is_made_where_tokens_are_kept(
    store: Path, put: Callable[[Path, str], None]
) -> None:
    put(store, open_store(store).tokens.of(CARD))
    (store / IDENTIFIER_KEY).unlink()
    with pytest.raises(UserError, match=r"identifiers\.key: missing") as caught:
        identifier_key(store)
    assert caught.value.code == "store.key-missing"
    assert caught.value.hint.startswith("restore this file from a copy of the store")
    assert not (store / IDENTIFIER_KEY).exists()


def test_a_store_that_keeps_no_token_gets_a_key(store: Path) -> None:
    put_consent(store, "1")
    put_reject(store, "ann")
    assert identifier_key(store) == identifier_key(store)


def test_commands_refuse_a_hidden_identifier_when_the_key_is_lost(
    tuppence: Run, store: Path, tmp_path: Path
) -> None:
    (tmp_path / "bank.csv").write_text(f"d,a,n\n2026-06-01,-1.00,{CARD}\n")
    (tmp_path / "bank.yaml").write_text(
        "table: transactions\ncolumns: {booking date: d, amount: a, account: n, customer: n}\n"
        "constants: {currency: GBP}\n"
    )
    where = ("--store", store)
    importing = ("import", "csv", "bank.csv", "--mapping", "bank.yaml", *where)
    tuppence(*importing)
    assert tuppence("store", "check", *where).stdout.rstrip().endswith("whole")
    key = (store / IDENTIFIER_KEY).read_bytes()
    (store / IDENTIFIER_KEY).unlink()
    digest = FactStore(store).digest
    for command in (
        importing, ("export", CARD, *where), ("forget", CARD, "--yes", *where),
        ("consent", "list", CARD, *where), ("consent", "grant", CARD, *where),
    ):  # fmt: skip
        assert "error[store.key-missing]" in tuppence(*command, status=1).stderr, command
    checked = tuppence("store", "check", *where, status=1).stderr
    assert "identifiers.key: " in checked
    assert "missing, and identifiers in this store were hidden with it" in checked
    assert "identifiers.key: → restore this file from a copy of the store" in checked
    assert FactStore(store).digest == digest
    tuppence("export", "ann", *where)
    (store / IDENTIFIER_KEY).write_bytes(key)
    tuppence(*importing)
    assert FactStore(store).digest == digest
    assert "erased: 1 accounts" in tuppence("forget", CARD, "--yes", *where).stdout


def test_a_check_tells_damage_from_a_key_that_is_lost(store: Path, tuppence: Run) -> None:
    victim = next((store / "facts").glob("*/customers.parquet"))
    victim.write_bytes(victim.read_bytes()[:-9])
    done = tuppence("store", "check", "--store", store, status=1)
    assert f"{IDENTIFIER_KEY}:" not in done.stderr
    assert "1 of 4 parts are not as they were written" in done.stderr
