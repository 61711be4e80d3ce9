"""A run through running engines."""

from collections.abc import Collection, Sequence
from pathlib import Path

from tuppence import logs
from tuppence.adapters.embedded.database import Database
from tuppence.facts.batch import FactBatch
from tuppence.facts.schema import Schema
from tuppence.feel.values import Date
from tuppence.usecases.dispatch import dispatch_run
from tuppence.usecases.ledger import Tally

CUSTOMERS = ("ann", "bob", "cyd")


class Listed:
    """Three customers, as the port CustomerFacts."""

    def schema(self) -> Schema:
        raise NotImplementedError

    def of(
        self, customer_ids: Sequence[str], as_of: Date, fields: Collection[str] | None = None
    ) -> FactBatch:
        raise NotImplementedError

    def gone(self, customer_ids: Sequence[str]) -> Sequence[str]:
        raise NotImplementedError

    def page(self, after: str, as_of: Date, limit: int) -> Sequence[str]:
        del as_of, limit
        return [one for one in CUSTOMERS if one > after]


class Engines:
    """Running engines that keep the ids of the requests."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str | None]] = []

    def evaluate(self, run_id: str, as_of: Date, ruleset: str, customers: Sequence[str]) -> Tally:
        del run_id, as_of, ruleset
        self.asked += [(one, logs.request_id()) for one in customers]
        return Tally(customers=len(customers))


def test_every_request_of_a_run_has_the_id_of_the_command(tmp_path: Path) -> None:
    engines = Engines()
    logs.begin("command-7")
    with Database(tmp_path / "ledger") as ledger:
        done = dispatch_run(
            "night", Listed(), engines, "digest", Date(0), ledger, parallel=2, customers_per_item=1
        )
    assert done.tally.customers == len(CUSTOMERS)
    assert sorted(engines.asked) == [(one, "command-7") for one in CUSTOMERS]
