"""The functions of nights by parts, which a state machine calls one after the other."""

from pathlib import Path
from typing import Any

import pytest
from tests.building import bank, some_rules
from tests.fleet import Context

from tuppence.adapters.embedded.fact_store import FactStore
from tuppence.adapters.objects.address_place import AddressPlace
from tuppence.adapters.objects.objects import Objects
from tuppence.adapters.objects.store_address import StoreAddress
from tuppence.bankdata.masking import Tokens
from tuppence.bootstrap.aws import Settings
from tuppence.bootstrap.part_functions import NightDependencies
from tuppence.errors import UserError
from tuppence.facts.schema import Schema
from tuppence.lambdas import night, part
from tuppence.rules.ruleset import Ruleset

AS_OF = {"as_of": "2026-06-30"}


class Published:
    """The published rulesets: one."""

    def __init__(self, ruleset: Ruleset) -> None:
        self._ruleset = ruleset

    def current(self) -> str:
        return self._ruleset.digest

    def get(self, digest: str) -> bytes:
        assert digest == self._ruleset.digest
        return self._ruleset.content


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the address of a store of three people in two partitions, which functions know."""
    address = f"file://{tmp_path}/store"
    facts = FactStore.create(AddressPlace(Objects(address)), Schema())
    for name in ("ann", "bob", "cat"):
        facts.append(bank([{"booking date": 20_500, "amount": -500}], name), 2)
    monkeypatch.setenv("TUPPENCE_STORE", address)
    store = StoreAddress(address, Tokens(bytes))
    settings = Settings(store=address)
    deps: Any = NightDependencies(settings, store, Published(some_rules("bank_fees")))  # type: ignore[arg-type]
    monkeypatch.setattr(night, "night_dependencies", lambda: deps)
    return address


CONTEXT: Any = Context(9_000)


def ask(event: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = night.handler(event, CONTEXT)
    return found


def do(begun: dict[str, Any], name: str, customers: int) -> dict[str, Any]:
    event = {key: begun[key] for key in ("folder", "version")}
    event["part"] = {"partition": name, "start": 0, "stop": customers}
    found: dict[str, Any] = part.handler(event, CONTEXT)
    return found


def test_a_night_is_begun_done_and_finished(address: str) -> None:
    begun = ask({"start": AS_OF})
    assert begun["count"] == 2
    assert address.endswith("/store")
    assert begun["key"].endswith(f"store/{begun['folder']}/left.json")
    assert do(begun, "p00000", 2)["customers"] == 2
    with pytest.raises(UserError, match="1 of 2 parts of the run are missing: p00001: no worker"):
        ask({"run_id": begun["run_id"]})
    assert ask({"start": AS_OF})["count"] == 1
    assert do(begun, "p00001", 1)["customers"] == 1
    assert ask({"run_id": begun["run_id"]})["customers"] == 3


def test_a_part_that_cannot_be_done_is_named_with_its_reason(address: str) -> None:
    begun = ask({"start": AS_OF})
    do(begun, "p00000", 2)
    objects = Objects(address)
    (name,) = (
        name for name in StoreAddress(address, Tokens(bytes)).facts().segment_names()
        if name.startswith("p00001")
    )  # fmt: skip
    content, _ = objects.get(f"facts/{name}")
    objects.put(f"facts/{name}", content[:9])
    with pytest.raises(UserError, match="damaged: it is shorter than on record"):
        do(begun, "p00001", 1)
    with pytest.raises(UserError, match=r"p00001: .*damaged: it is shorter") as missing:
        ask({"run_id": begun["run_id"]})
    assert missing.value.code == "store.corrupt"


@pytest.mark.parametrize("event", [{"prefix": "a"}, {"customers": ["ann"]}, {"run_id": "mine"}])
def test_a_night_by_parts_is_about_everybody(address: str, event: dict[str, Any]) -> None:
    del address
    with pytest.raises(UserError, match="is about everybody"):
        ask({"start": AS_OF | event})


def test_a_function_of_another_version_does_no_part(address: str) -> None:
    del address
    begun = ask({"start": AS_OF})
    with pytest.raises(UserError, match="a worker has version"):
        do(begun | {"version": "0.0.0"}, "p00000", 2)
