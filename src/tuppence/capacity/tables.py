"""The two tables that cost is computed from: what AWS asks, and what a run takes."""

import importlib.resources
from pathlib import Path
from typing import TypeVar

import msgspec

from tuppence.errors import UserError
from tuppence.structured import read_text


class Price(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a unit costs.

    Attributes:
        usd: US dollars.
        source: Where it is published.
    """

    usd: float
    source: str


class Prices(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of prices.

    Attributes:
        dated: When it was put together.
        region: Of AWS.
        price: Prices by name; the name ends with the unit.
    """

    dated: str
    region: str
    price: dict[str, Price]

    def of(self, name: str) -> float:
        """US dollars for a unit.

        Raises:
            UserError: The table does not have it.
        """
        if name not in self.price:
            hint = "copy the table of `tuppence cost`, and change the figures"
            raise UserError("cost.price", f"the table has no price of {name}", hint)
        return self.price[name].usd


class ServerWork(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Seconds of one processor, in three parts that add up.

    Attributes:
        seconds_by_item: For each work item.
        seconds_by_customer: And for each customer in it.
        seconds_by_customer_and_rule: And for each rule that each of them is evaluated by.
    """

    seconds_by_item: float
    seconds_by_customer: float
    seconds_by_customer_and_rule: float

    def seconds(self, items: float, visits: float, evaluations: float) -> float:
        """For so many items, with so many customers in all of them, and evaluations."""
        return (
            items * self.seconds_by_item
            + visits * self.seconds_by_customer
            + evaluations * self.seconds_by_customer_and_rule
        )


class DatabaseWork(ServerWork, frozen=True):
    """Also: pages of 8 kB read for each customer, from memory or not, and bytes kept of one."""

    pages_by_customer: float
    bytes_by_customer: float


class FunctionsWork(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Seconds of one processor, by what a function does."""

    seconds_by_listed_page: float
    seconds_by_cut_page: float
    seconds_by_item: float


class ResultsWork(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of results in their table.

    Attributes:
        seconds_by_write: Of the engine's processor.
        bytes_by_item: Of an item, which is one customer's result by one rule.
        writes_by_rule_on_a_first_night: Of each customer.
        writes_by_rule: Likewise on any other night, when only what changed is written.
    """

    seconds_by_write: float
    bytes_by_item: float
    writes_by_rule_on_a_first_night: float
    writes_by_rule: float


class FactsWork(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of facts on their way from the relay to an engine."""

    bytes_by_customer: float


class Work(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a run takes, measured; `benchmarks/fleet/measure.py` writes the table.

    Attributes:
        measured: When.
        machine: Where.
        population: Of what.
        engine: Of the rules engines, but for writing results.
        relay: Of the SQL relay.
        database: Of the database.
        functions: Of the functions.
        results: Of results.
        facts: Of facts.
    """

    measured: str
    machine: str
    population: str
    engine: ServerWork
    relay: ServerWork
    database: DatabaseWork
    functions: FunctionsWork
    results: ResultsWork
    facts: FactsWork


def read_prices(path: Path | None = None) -> Prices:
    """A table of prices; ours where no file is given.

    Raises:
        UserError: There is no such file, or it is no such table.
    """
    return _read(Prices, "prices.toml", path)


def read_work() -> Work:
    """The table of measured work."""
    return _read(Work, "work.toml", None)


Table = TypeVar("Table")


def _read(kind: type[Table], name: str, path: Path | None) -> Table:
    if path is not None:
        text = read_text(path)
    else:
        text = importlib.resources.files("tuppence.capacity").joinpath(name).read_text("utf-8")
    try:
        return msgspec.toml.decode(text, type=kind)
    except msgspec.DecodeError as error:
        raise UserError("cost.file", f"{path or name}: {error}", "see the table of ours") from None
