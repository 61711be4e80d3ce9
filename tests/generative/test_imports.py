"""Files of a bank that overlap, have equal rows and are read again by other mappings.

No booking is lost or doubled, and an import that is taken back leaves what there is without it.
"""

import datetime
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from tests.statements import TODAY

from tuppence.adapters.embedded.store_folder import StoreFolder
from tuppence.bankdata.enrichment.enricher import Enricher
from tuppence.bankdata.mapping import read_mapping
from tuppence.facts.schema import Schema
from tuppence.usecases.import_bank_data import ImportDependencies, import_tables
from tuppence.usecases.undo_import import undo_import

FIRST: Final = datetime.date(2026, 1, 1)
PAYEES: Final = ("COFFEE HUT", "GREEN BASKET", "ACME LTD PAY", "RENT")
AMOUNTS: Final = (-450, -450, -1000, 40000)
COLUMNS: Final = ("Number", "Date", "Who", "Memo", "Amount", "Balance")


@dataclass(frozen=True)
class Booking:
    """A row of a bank's books."""

    number: str
    day: int
    who: str
    memo: str
    amount: int
    balance: int


@dataclass(frozen=True)
class Step:
    """An import: a file, whose content depends on its name, and how it is read."""

    file: str
    bookings: tuple[Booking, ...]
    mapping: str


def books(chance: random.Random) -> list[Booking]:
    """Make up bookings, many of which are equal but for their balance."""
    found: list[Booking] = []
    balance = 0
    for day in range(8):
        for _ in range(chance.randint(0, 4)):
            amount = chance.choice(AMOUNTS)
            balance += amount
            number = chance.choice(["NOTPROVIDED", "", f"B{len(found):03}"])
            who, memo = chance.choice(PAYEES), chance.choice(["", "thanks"])
            found.append(Booking(number, day, who, memo, amount, balance))
    return found


def mappings(chance: random.Random) -> list[str]:
    """Return ways to read the files, each better or worse than others, none wrong."""
    texts = ["text: Who", "text: [Who, Memo]"]
    more = ["", ", balance: Balance"]
    return [
        f"table: transactions\ncolumns: {{booking date: Date, amount: Amount, "
        f"{chance.choice(texts)}{chance.choice(more)}{number}}}\n"
        "constants: {account: main, customer: me, currency: GBP}\n"
        for number in ("", ", id: Number")
    ]


def steps(chance: random.Random) -> list[Step]:
    """Make up imports of whole days, some of the same file."""
    every = books(chance)
    ways = mappings(chance) + mappings(chance)
    found: list[Step] = []
    for number in range(chance.randint(2, 5)):
        if found and chance.random() < 0.3:
            again = chance.choice(found)
            found.append(Step(again.file, again.bookings, chance.choice(ways)))
            continue
        begin = chance.randint(0, 6)
        end = chance.randint(begin + 1, 9)
        rows = tuple(one for one in every if begin <= one.day < end)
        if rows:
            found.append(Step(f"{number}.csv", rows, chance.choice(ways)))
    return found


def write(step: Step, folder: Path) -> Path:
    path = folder / step.file
    lines = [",".join(COLUMNS)]
    for one in step.bookings:
        day = FIRST + datetime.timedelta(days=one.day)
        money = f"{one.amount / 100:.2f},{one.balance / 100:.2f}"
        lines.append(f"{one.number},{day},{one.who},{one.memo},{money}")
    path.write_text("\n".join(lines) + "\n")
    return path


def dependencies(store: StoreFolder, enricher: Enricher) -> ImportDependencies:
    facts = store.facts()
    return ImportDependencies(facts, store.rejects, store.consents, store.tokens, enricher, TODAY)


def imported(steps: Sequence[Step], folder: Path, enricher: Enricher) -> StoreFolder:
    folder.mkdir()
    store = StoreFolder(folder / "store")
    with store.make(Schema(), "import", print) as _:
        pass
    for step in steps:
        (folder / "m.yaml").write_text(step.mapping)
        mapping = read_mapping(folder / "m.yaml", Schema())
        list(import_tables([write(step, folder)], mapping, dependencies(store, enricher)))
    return store


def content(store: StoreFolder, *names: str) -> list[tuple[Any, ...]]:
    facts = store.facts()
    if "me" not in facts.customers()["id"]:
        return []
    rows = facts.rows_of("me").transactions
    assert rows is not None
    return sorted(rows.select(names).rows(), key=str)


def covered(steps: Sequence[Step]) -> list[tuple[int, int]]:
    first = (FIRST - datetime.date(1970, 1, 1)).days
    every: Mapping[Booking, None] = dict.fromkeys(one for step in steps for one in step.bookings)
    return sorted(((one.day + first, one.amount) for one in every), key=str)


def latest(steps: Sequence[Step]) -> list[Step]:
    """Return the steps with the last way in which each file was read."""
    ways = {step.file: step for step in steps}
    return [ways.pop(step.file) for step in steps if step.file in ways]


VALUES: Final = (
    "booking date", "amount", "text", "balance", "category", "merchant", "own transfer", "refunded",
)  # fmt: skip


def check(folder: Path, seed: int, enricher: Enricher) -> int:
    """Import files, read one again, take each back; return the number of imports."""
    chance = random.Random(seed)
    plan = steps(chance)
    if not plan:
        return 0
    store = imported(plan, folder / "all", enricher)
    assert content(store, "booking date", "amount") == covered(plan)
    before = content(store, "id", *VALUES)
    mapping = read_mapping(folder / "all/m.yaml", Schema())
    again = write(plan[-1], folder / "all")
    (found,) = import_tables([again], mapping, dependencies(store, enricher))
    assert (found.counts.new, found.counts.changed, found.replaced) == (0, 0, 0)
    assert content(store, "id", *VALUES) == before

    kept = latest(plan)
    assert [one.source for one in store.facts().imports()] == [step.file for step in kept]
    gone = chance.choice(kept)
    number = next(one.id for one in store.facts().imports() if one.source == gone.file)
    undo_import(number, store.facts(), store.rejects, store, enricher)
    others = [step for step in kept if step is not gone]
    assert content(store, "booking date", "amount") == covered(others)
    only = imported(others, folder / "others", enricher)
    assert content(store, *VALUES) == content(only, *VALUES)
    for one in store.facts().imports():
        undo_import(one.id, store.facts(), store.rejects, store, enricher)
    assert not store.facts().customers().height
    return len(plan)


def test_no_booking_is_lost_or_doubled_and_imports_can_be_taken_back(tmp_path: Path) -> None:
    enricher = Enricher()
    counts = []
    for seed in range(2):
        (tmp_path / str(seed)).mkdir()
        counts.append(check(tmp_path / str(seed), seed, enricher))
    assert sum(counts) > 4


@pytest.mark.long
def test_many_imports_lose_and_double_nothing(tmp_path: Path) -> None:
    enricher = Enricher()
    for seed in range(1000, 1400):
        (tmp_path / str(seed)).mkdir()
        check(tmp_path / str(seed), seed, enricher)
