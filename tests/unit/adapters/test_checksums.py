"""The manifest verifies itself, and rejected rows have a checksum beside them."""

import json
from pathlib import Path

import polars as pl
import pytest
from tests.building import bank

from tuppence.adapters.embedded import checksums, files
from tuppence.adapters.embedded.checking import upgrade_store
from tuppence.adapters.embedded.fact_store import FactStore
from tuppence.adapters.embedded.rejects import Rejects, read_rejects
from tuppence.adapters.embedded.ruleset_directory import RulesetDirectory
from tuppence.errors import UserError

ROWS = pl.DataFrame({"reason": ["no date"], "customer": ["ann"]})


def test_every_bit_of_a_manifest_is_checked(store: Path) -> None:
    path = store / "facts/manifest.json"
    data = path.read_bytes()
    for place in range(len(data)):
        for bit in range(8):
            flipped = bytearray(data)
            flipped[place] ^= 1 << bit
            path.write_bytes(flipped)
            with pytest.raises(UserError, match=r"manifest\.json: (damaged|of format)"):
                FactStore(store)
    path.write_bytes(data)
    assert FactStore(store).partitions() == [("p00000", 1)]


def test_a_manifest_that_somebody_edited_is_refused(store: Path) -> None:
    path = store / "facts/manifest.json"
    path.write_text(path.read_text().replace('"customers":1', '"customers":0'))
    with pytest.raises(UserError, match="does not have its checksum") as caught:
        FactStore(store)
    assert "restore the store from a copy" in caught.value.hint


def kept(store: Path) -> Path:
    """Keep rows that were set aside, and return their file."""
    rejects = Rejects(store)
    return rejects.path_of(rejects.put("bank.csv", ROWS))


def make_old(store: Path) -> None:
    """Make a manifest as versions without checksums did."""
    path = store / "facts/manifest.json"
    content = json.loads(path.read_bytes())
    del content["checksum"]
    path.write_text(json.dumps(content | {"format": 2}))


def test_an_older_manifest_is_read_and_gets_its_checksum_with_the_next_write(store: Path) -> None:
    digest = FactStore(store).digest
    make_old(store)
    facts = FactStore(store)
    assert not facts.is_checked
    assert facts.digest == digest
    facts.append(bank([{"id": "new", "booking date": 30_000, "amount": -5}]))
    assert FactStore(store).is_checked
    assert FactStore(store).transaction_count == 4


def test_compacting_gives_an_older_store_all_its_checksums(store: Path) -> None:
    path = kept(store)
    (beside,) = path.parent.glob("*.sum")
    beside.unlink()
    path.chmod(0o644)
    make_old(store)
    assert read_rejects(path).equals(ROWS)
    upgrade_store(store)
    assert FactStore(store).is_checked
    assert beside.exists()
    assert path.stat().st_mode & 0o777 == 0o600


def test_every_bit_of_rejected_rows_is_checked(tmp_path: Path) -> None:
    path = kept(tmp_path)
    for victim in path.parent.iterdir():
        data = victim.read_bytes()
        for place in range(8 * len(data)):
            flipped = bytearray(data)
            flipped[place // 8] ^= 1 << place % 8
            victim.write_bytes(flipped)
            with pytest.raises(UserError, match="damaged or edited"):
                read_rejects(path)
        victim.write_bytes(data)
    assert read_rejects(path).equals(ROWS)


@pytest.mark.parametrize("survives", range(4))
def test_rows_that_are_replaced_have_their_checksum_at_any_moment(
    tmp_path: Path, survives: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = kept(tmp_path)
    calls = 0

    def killed(where: Path, content: bytes) -> None:
        nonlocal calls
        calls += 1
        if calls > survives:
            raise KeyboardInterrupt
        files.write_atomically(where, content)

    monkeypatch.setattr(checksums, "write_atomically", killed)
    others = pl.concat([ROWS, ROWS])
    try:
        Rejects(tmp_path).put("bank.csv", others, earlier=path.name)
    except KeyboardInterrupt:
        assert survives < 3
    monkeypatch.undo()
    assert read_rejects(path).height == (1 if survives < 2 else 2)
    Rejects(tmp_path).put("bank.csv", others, earlier=path.name)
    assert read_rejects(path).equals(others)


def test_rows_that_are_removed_leave_no_checksum(tmp_path: Path) -> None:
    path = kept(tmp_path)
    Rejects(tmp_path).put("bank.csv", ROWS.clear(), earlier=path.name)
    assert list((tmp_path / "rejects").iterdir()) == []


def test_the_name_of_the_current_ruleset_is_checked(tmp_path: Path) -> None:
    for content in (b"0123456789abcde\xf0\n", b"0123456789ABCDEF\n", b""):
        (tmp_path / "current").write_bytes(content)
        with pytest.raises(UserError, match="damaged: it does not name a file beside it"):
            RulesetDirectory(tmp_path).current()
