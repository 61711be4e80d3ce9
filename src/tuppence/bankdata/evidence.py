"""Evidence in the rows of a statement for the form of its dates and for its signs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import polars as pl

from tuppence.bankdata.balances import Chain, chain, newest_first
from tuppence.bankdata.mapping import Sign, TableMapping
from tuppence.bankdata.masking import Tokens
from tuppence.bankdata.tabular import Owners, read_table
from tuppence.facts.schema import Schema

UNDECIDED: Final = "?"
"""Stands in a mapping for what a question asks; no mapping with it can be read."""
NEGATIVE: Final = "negative"
POSITIVE: Final = "positive"
_MIN_PAIRS: Final = 3
_MIN_SHOPS: Final = 3
"""Fewest pairs of rows, and payments of shops, from which the direction of money is concluded."""
_MIN_SHARE: Final = 0.9
"""Share of them that must agree."""
_TEXTS: Final = 2_000
_STAND_IN: Final = "GBP"
"""A currency of two decimals, for amounts of which only the signs matter."""


class Question(NamedTuple):
    """A question that a file leaves open.

    Attributes:
        key: The subject of the question, as answers name it.
        text: The question.
        choices: The possible answers; none if any text is one.
        option: Option of a command for the answer; empty if only the mapping file can give it.
    """

    key: str
    text: str
    choices: tuple[str, ...] = ()
    option: str = ""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """The circumstances of a proposal: everything that it depends on besides the file.

    Attributes:
        schema: The fields that the store can hold.
        owners: Customers and accounts that are in the store already.
        today: No row may be dated later.
        is_shop: Returns whether a text names a shop, where money is spent.
        bank: Name of the shipped mapping to use, if any.
        answers: Known answers, by the key of a question: fields with their constants, and answers.
    """

    schema: Schema
    owners: Owners
    today: date
    is_shop: Callable[[str], bool]
    bank: str = ""
    answers: Mapping[str, str] = field(default_factory=dict)


class Evidence:
    """The rows of a statement, read by a mapping that is not decided yet.

    Args:
        path: The file.
        mapping: The mapping as far as it is decided.
        about: The circumstances of the proposal.
        form: The form of its dates.
        currency: The currency of its amounts; empty if it is not known.
    """

    def __init__(
        self, path: Path, mapping: TableMapping, about: Circumstances, form: str, currency: str
    ) -> None:
        names = {"booking date", "amount", "balance", "text"}
        columns = {name: source for name, source in mapping.columns.items() if name in names}
        owner = {"account": "main", "customer": "me", "currency": currency or _STAND_IN}
        self._path = path
        self._about = about
        self._mapping = msgspec.structs.replace(
            mapping, columns=columns, constants=owner, date_format=form,
            decimal_point=mapping.decimal_point.replace(UNDECIDED, ""),
        )  # fmt: skip
        self._rows = self.rows()

    def rows(self, sign: Sign | None = None) -> pl.DataFrame:
        """Return the rows that can be read, in the order of the file.

        Args:
            sign: The marks of money out, if they are not those of the mapping.
        """
        about, mapping = self._about, self._mapping
        if sign is not None:
            mapping = msgspec.structs.replace(mapping, sign=sign)
        nobody = Owners(about.owners.customers.clear(), about.owners.accounts.clear())
        tokens = Tokens(lambda: bytes(32))
        found = read_table(self._path, mapping, about.schema, nobody, about.today, tokens)
        assert found.rows.transactions is not None  # noqa: S101 - it is a table of transactions
        return found.rows.transactions

    def fewest_breaks(self) -> int:
        """Return how many balances do not follow, with the better sign."""
        return min(self._chain(turned=turned).broken for turned in (False, True))

    def _chain(self, *, turned: bool) -> Chain:
        """Return how well the balances follow from the amounts."""
        amount = -pl.col("amount") if turned else pl.col("amount")
        lines = self._rows.select("account", "balance", amount=amount, day="booking date")
        if lines["balance"].is_null().all():
            return Chain(0, 0)
        order = newest_first(lines)
        parts = [
            chain(lines.filter(order == backward), backward=backward, turned=False)
            for backward in (False, True)
        ]
        return Chain(sum(one.pairs for one in parts), sum(one.broken for one in parts))

    def sign_by_balances(self) -> dict[str, str]:
        """Return which amounts are money out, with the reason, if the balances say so."""
        plain, turned = self._chain(turned=False), self._chain(turned=True)
        best = min(plain, turned, key=lambda one: one.broken)
        if best.pairs < _MIN_PAIRS or plain.broken == turned.broken:
            return {}
        if best.broken > (1 - _MIN_SHARE) * best.pairs:
            return {}
        return {NEGATIVE if best is plain else POSITIVE: "as the balances follow from them so"}

    def sign_by_shops(self) -> dict[str, str]:
        """Return which amounts are money out, with the reason, if payments to shops say so."""
        texts = self._rows["text"].drop_nulls().unique(maintain_order=True).head(_TEXTS)
        shops = [text for text in texts if self._about.is_shop(text)]
        is_paid = pl.col("text").is_in(shops) & (pl.col("amount") != 0)
        amounts = self._rows.filter(is_paid)["amount"]
        for sign, count in ((NEGATIVE, (amounts < 0).sum()), (POSITIVE, (amounts > 0).sum())):
            if count >= _MIN_SHOPS and count >= _MIN_SHARE * len(amounts):
                reason = f"as in {count:,} of {len(amounts):,} payments to known shops"
                return {sign: reason}
        return {}
