"""The two tables that cost is computed from: prices of AWS, and the measured work of a run."""

import importlib.resources
from pathlib import Path
from typing import TypeVar

import msgspec

from tuppence.errors import UserError
from tuppence.structured import read_text


class Price(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The price of a unit.

    Attributes:
        usd: Price in US dollars.
        source: Address of the page that states it.
    """

    usd: float
    source: str


class Prices(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of prices.

    Attributes:
        dated: Date of the prices.
        region: AWS region.
        price: Prices by name; a name ends with its unit.
    """

    dated: str
    region: str
    price: dict[str, Price]

    def of(self, name: str) -> float:
        """Return the price of a unit in US dollars.

        Raises:
            UserError: The table has no such price.
        """
        if name not in self.price:
            hint = "copy the table of `tuppence cost`, and change the figures"
            raise UserError("cost.price", f"the table has no price of {name}", hint)
        return self.price[name].usd


class ServerWork(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Seconds of one processor as the sum of three parts.

    Attributes:
        seconds_by_item: Seconds for each work item.
        seconds_by_customer: Additional seconds for each customer of an item.
        seconds_by_customer_and_rule: Additional seconds for each evaluation.
    """

    seconds_by_item: float
    seconds_by_customer: float
    seconds_by_customer_and_rule: float

    def seconds(self, items: float, visits: float, evaluations: float) -> float:
        """Return the seconds for some items, the customers in all of them, and evaluations."""
        return (
            items * self.seconds_by_item
            + visits * self.seconds_by_customer
            + evaluations * self.seconds_by_customer_and_rule
        )


class DatabaseWork(ServerWork, frozen=True):
    """The work of the database.

    Attributes:
        pages_by_customer: Pages of 8 kB read for each customer, from memory or from disk.
        bytes_by_customer: Bytes stored for each customer.
    """

    pages_by_customer: float
    bytes_by_customer: float


class FunctionsWork(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The work of the functions in seconds of one processor.

    Attributes:
        seconds_by_listed_page: Seconds for each page that is listed.
        seconds_by_cut_page: Seconds for each page that is split into items.
        seconds_by_item: Seconds for each item that is evaluated.
    """

    seconds_by_listed_page: float
    seconds_by_cut_page: float
    seconds_by_item: float


class ResultsWork(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The work of writing results to their table.

    Attributes:
        seconds_by_write: Seconds of the engine's processor for each write.
        bytes_by_item: Bytes of an item, which is one result.
        writes_by_rule_on_a_first_night: Writes for each customer and rule on the first night.
        writes_by_rule: Writes for each customer and rule on later nights, when only changed results
            are written.
    """

    seconds_by_write: float
    bytes_by_item: float
    writes_by_rule_on_a_first_night: float
    writes_by_rule: float


class FactsWork(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The transfer of facts from the relay to an engine.

    Attributes:
        bytes_by_customer: Bytes for each customer.
    """

    bytes_by_customer: float


class Work(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The measured work of a run; `benchmarks/fleet/measure.py` writes the table.

    Attributes:
        measured: Date of the measurement.
        machine: Machine of the measurement.
        population: Population that was evaluated.
        engine: Work of the rules engines, without writing results.
        relay: Work of the SQL relay.
        database: Work of the database.
        functions: Work of the functions.
        results: Work of writing results.
        facts: Transfer of facts.
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


def read_prices(region: str, path: Path | None = None) -> Prices:
    """Return the prices of a region: the built-in ones if no file is given.

    Raises:
        UserError: The file cannot be read, is not a table of prices, or has those of another
            region; or there are no built-in prices of the region.
    """
    if path is None:
        tables = importlib.resources.files("tuppence.capacity").joinpath("prices").iterdir()
        known = sorted(table.name.removesuffix(".toml") for table in tables)
        if region not in known:
            message = f"there are no prices of {region}"
            hint = f"copy the table of {' or '.join(known)}, and give it with --prices"
            raise UserError("cost.region", message, hint)
    found = _read(Prices, f"prices/{region}.toml", path)
    if found.region != region:
        message = f"{path}: has the prices of {found.region}, and the environment is in {region}"
        raise UserError("cost.region", message, f"enter those of {region}, and its name as region")
    return found


def read_work() -> Work:
    """Return the built-in table of measured work."""
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
        hint = "use the same keys as the built-in table"
        raise UserError("cost.file", f"{path or name}: {error}", hint) from None
