"""Checks proofs: they hold for every rule, without the store, and every changed byte is found."""

import dataclasses
import random
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.building import ROOT, day
from tests.commands import command

from tuppence.adapters.embedded.ruleset_directory import RulesetDirectory
from tuppence.adapters.embedded.store_folder import StoreFolder
from tuppence.errors import UserError
from tuppence.facts.consent import PURPOSES
from tuppence.feel.values import Date
from tuppence.usecases.explain_result import explain_result
from tuppence.usecases.prove_result import (
    _digests,
    canonical,
    digest_of,
    prove_result,
    verify_proof,
)

TODAY = Date(day("2026-07-01"))
PEOPLE = ("C0000002", "C0000005")


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> StoreFolder:
    store = tmp_path_factory.mktemp("proofs") / "store"
    command("synth", "--store", store, "--customers", 6, "--seed", 3)
    command("run", "--store", store, "--rules", ROOT / "catalogue", "--as-of", "2026-06-30",
            "--processes", 1)  # fmt: skip
    return StoreFolder(store)


def prove(held: StoreFolder, customer: str, rule: str) -> bytes:
    return prove_result(held, customer, rule, PURPOSES, TODAY, "1.0")


def forged(proof: bytes, **parts: Any) -> bytes:
    """Return a proof with other parts, and digests that fit them."""
    plain = msgspec.json.decode(proof) | parts
    del plain["digests"]
    return canonical(plain | {"digests": _digests(plain)})


def test_a_proof_of_any_result_has_what_the_rule_needs(held: StoreFolder) -> None:
    row = held.results_of(PEOPLE[0]).results
    assert row is not None
    states = set()
    of_all_states = {one.state: one.rule_id for one in row.results}.values()
    for rule in {*of_all_states, *[*held.rules(row.ruleset)][::12]}:
        proof = prove(held, PEOPLE[0], rule)
        found = verify_proof(proof, held.rulesets, digest_of(proof))
        explained = explain_result(held, PEOPLE[0], rule, PURPOSES, TODAY)
        assert found.result["state"] == explained.explanation.result.state
        counted = [len(one.rows) for one in explained.explanation.selections]
        assert [len(one["rows"]) for one in found.reasons["selections"]] == counted
        states.add(found.result["state"])
    assert {"qualified", "not_qualified"} <= states


def test_a_proof_has_no_more_than_the_rule_reads(held: StoreFolder) -> None:
    facts = msgspec.json.decode(prove(held, PEOPLE[0], "energy_costs"))["facts"]
    assert {*facts["transactions"]} == {
        "account", "amount", "booking date", "category", "own transfer",
    }  # fmt: skip
    assert "name" not in facts["accounts"]
    assert max(facts["transactions"]["booking date"]) <= "2026-06-30"


def test_every_changed_byte_is_found(held: StoreFolder) -> None:
    proof = prove(held, PEOPLE[0], "bank_fees")
    chance = random.Random(1)  # noqa: S311 - not a secret
    for place in chance.sample(range(len(proof)), 60):
        other = chance.choice([byte for byte in b'0a "{,\n' if byte != proof[place]])
        changed = proof[:place] + bytes([other]) + proof[place + 1 :]
        with pytest.raises(UserError, match="proof") as told:
            verify_proof(changed)
        assert told.value.code in {"proof.damaged", "proof.changed", "proof.format"}
    for changed in (proof + b"\n", proof[:-1], proof.replace(b": ", b":", 1)):
        with pytest.raises(UserError, match="not written as it was"):
            verify_proof(changed)


def test_the_changed_part_is_named(held: StoreFolder) -> None:
    proof = prove(held, PEOPLE[0], "bank_fees")
    with pytest.raises(UserError, match=r"changed after it was made: customer$"):
        verify_proof(proof.replace(b'"customer": "C0000002"', b'"customer": "C0000003"'))


def test_a_result_that_does_not_follow_is_refused(held: StoreFolder) -> None:
    proof = prove(held, PEOPLE[0], "energy_costs")
    plain = msgspec.json.decode(proof)
    states = {"qualified", "not_qualified"} - {plain["result"]["state"]}
    other = plain["result"] | {"state": states.pop()}
    with pytest.raises(UserError, match=f"says '{other['state']}'"):
        verify_proof(forged(proof, result=other))
    with pytest.raises(UserError, match="reasons"):
        verify_proof(forged(proof, reasons=plain["reasons"] | {"problems": [{}]}))
    kept = {"booking date": 1, "amount": 1, "account": 1}
    fewer = {name: values[:1] for name, values in plain["facts"]["transactions"].items()}
    assert kept.keys() <= fewer.keys()
    with pytest.raises(UserError, match=r"do not follow|reasons|rule and facts"):
        verify_proof(forged(proof, facts=plain["facts"] | {"transactions": fewer}))


def test_a_forger_cannot_have_the_digest_or_the_ruleset(held: StoreFolder, tmp_path: Path) -> None:
    proof = prove(held, PEOPLE[1], "energy_costs")
    rule = msgspec.json.decode(proof)["rule"]
    other = forged(proof, rule=rule | {"title": "Another title"})
    assert verify_proof(other).rule.title == "Another title"
    with pytest.raises(UserError, match="the proof is another one"):
        verify_proof(other, digest=digest_of(proof))
    with pytest.raises(UserError, match="has no such rule energy_costs"):
        verify_proof(other, held.rulesets)
    with pytest.raises(UserError, match="no ruleset"):
        verify_proof(proof, RulesetDirectory(tmp_path))


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "proof.damaged"),
        (b"[]", "proof.damaged"),
        (b"{}", "proof.format"),
        (b'{"format": 2}', "proof.format"),
        (b'{"format": 1}', "proof.damaged"),
        (b"\xff", "proof.damaged"),
    ],
)
def test_other_files_are_no_proofs(content: bytes, code: str) -> None:
    with pytest.raises(UserError) as told:
        verify_proof(content)
    assert told.value.code == code


@pytest.mark.parametrize(
    ("facts", "as_of"),
    [({"customer": {}}, "2026-06-30"), ({}, "2026-06-30"), (None, "2026-13-30")],
)
def test_a_proof_that_makes_no_sense_is_refused(
    held: StoreFolder, facts: dict[str, Any] | None, as_of: str
) -> None:
    proof = prove(held, PEOPLE[0], "bank_fees")
    given = msgspec.json.decode(proof)["facts"] if facts is None else facts
    with pytest.raises(UserError) as told:
        verify_proof(forged(proof, facts=given, as_of=as_of))
    assert told.value.code == "proof.damaged"


def test_a_result_that_is_out_of_date_is_not_proven(held: StoreFolder) -> None:
    class Other(StoreFolder):
        def permitted_facts_of(self, customer: str, use: Any) -> Any:
            found = super().permitted_facts_of(customer, use)
            empty = found.transactions.slice(0, 0)
            offsets = found.transactions.offsets * 0
            return dataclasses.replace(
                found, transactions=dataclasses.replace(empty, offsets=offsets)
            )

    row = held.results_of(PEOPLE[0]).results
    assert row is not None
    rule = next(one.rule_id for one in row.results if one.state == "qualified")
    with pytest.raises(UserError, match="have changed since the run"):
        prove(Other(held.path), PEOPLE[0], rule)


def test_the_commands_write_a_private_file_and_check_it(held: StoreFolder, tmp_path: Path) -> None:
    file = tmp_path / "a.proof"
    said = command("prove", PEOPLE[0], "bank_fees", "--store", held.path, "--out", file)
    assert file.stat().st_mode & 0o777 == 0o600
    digest = said.split("digest ")[1].strip()
    asked = ("verify", file, "--digest", digest, "--rulesets", held.path / "rulesets")
    told = command(*asked)
    assert f"the proof holds: bank_fees for {PEOPLE[0]} on 2026-06-30" in told
    assert "as it was told" in told
    assert "has the rule" in told
    assert "cannot be read" in command("verify", tmp_path / "none", status=1)
