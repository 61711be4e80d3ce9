"""Hypothesis strategies for facts in which payments recur, or nearly recur.

A series is drawn as its parts (a rhythm, amounts, what is irregular), so that a failure shrinks to
few regular payments.
"""

import itertools
from dataclasses import dataclass, replace
from typing import Any, Final

from hypothesis import strategies as st
from tests.building import day, frame

from tuppence.facts.batch import FactBatch
from tuppence.facts.coded import batch_from, coded, ordered
from tuppence.facts.schema import Schema
from tuppence.feel.values import Date, add_months

DATES: Final = ("2026-06-15", "2026-03-31", "2024-02-29", "2025-03-01", "2025-12-31", "2026-05-30")
AMOUNTS: Final = (999, 1_000, 1_005, 1_006, 1, 2, 200, 50_000, 100_001)
STEPS: Final = (
    *(5, 6, 49, 50, 51, 200, 201, 375, 376, 999, 1_000, 1_001),
    *(-5, -6, -47, -48, -49, -200, -201, -375, -376, -499, -500, -501),
)
"""About half a percent, 5, 25, 60 and 100 percent of some amounts."""
LARGE: Final = (
    *(2**43 - 1, 2**43, 2**43 + 1, 2**51 + 1, 2**52 - 1, 2**52 - 2, 2**52, 2**52 + 1),
    *(2**53 - 1, 2**53, 2**53 + 1, 2**62),
)
PAYEES: Final = ("a", "B", "A", "ß", "", "Ω")
DESCRIPTORS: Final = st.one_of(
    st.sampled_from(("a *1", "A 22/3", "a", "b", " ", "7#", "SS", "ß 1")),
    st.sampled_from(("PAYMENT", "direct debit 3", "40118822", "to 401188-22", "O2", "a May")),
    st.sampled_from(("a REF 1 b", "ref b", "a ref ref b c", "MARCH", "- -", "a P1x", "card £ 5")),
    st.text(
        st.sampled_from("aßŉﬀσ09*#/ \t\n\x00\x0b\x1c\x1f\x85\xa0\u200b\u2003\u3000\ufeff"),
        max_size=4,
    ),
)
TYPES: Final = ("card", "direct debit", "standing order", "salary", "transfer", "fee", "cash", None)
EXACT: Final = tuple((0, n) for n in (7, 7, 14, 28, 28, 30, 61, 91, 182, 365))
MONTHS: Final = tuple((n, 0) for n in (1, 1, 1, 2, 3, 6, 12))
EDGES: Final = tuple(
    (0, n)
    for n in (
        *(1, 5, 6, 8, 9, 12, 13, 15, 16, 18, 21, 24, 25, 31, 35, 36, 37, 41, 54, 55, 67, 68, 72),
        *(75, 82, 83, 100, 101, 108, 173, 174, 192, 193, 353, 378, 379),
    )
)


@dataclass(frozen=True)
class Payee:
    """The merchant and the text of a payment."""

    merchant: str | None
    text: str | None


@dataclass(frozen=True)
class Series:
    """Payments at some rhythm, the last one first.

    Attributes:
        account: Index of the account.
        payee: Payee of the later payments.
        former: Payee of the payments before the last `renamed` ones.
        renamed: Number of payments to `payee`, if there is a former one.
        rhythm: Months and days between two payments.
        last: Days from the last payment to the date; negative for the future.
        count: Number of days with payments.
        amount: Signed amount of the last payment.
        step: Added to the amount of every payment before the last `stepped` ones.
        stepped: See `step`.
        width: Number of payments on each day, each half as large as the one before.
        jitter: Days by which single payments are off.
        omitted: Indexes of payments that are left out.
        type: Type of the last payments.
        former_type: Type of the payments before the last `retyped` ones.
        retyped: See `former_type`.
        category: Category of the payments.
        balance: After the payments.
        own: Whether they are own transfers.
    """

    account: int
    payee: Payee
    former: Payee | None
    renamed: int
    rhythm: tuple[int, int]
    last: int
    count: int
    amount: int
    step: int
    stepped: int
    width: int
    jitter: tuple[int, ...]
    omitted: frozenset[int]
    type: str | None
    former_type: str | None
    retyped: int
    category: str | None
    balance: int | None
    own: bool

    def rows(self, as_of: Date) -> list[dict[str, Any]]:
        """Return the transactions."""
        months, days = self.rhythm
        found = []
        for index, place in itertools.product(range(self.count), reversed(range(self.width))):
            if index in self.omitted:
                continue
            booked = add_months(Date(as_of.day - self.last), -months * index).day - days * index
            payee = self.payee if self.former is None or index < self.renamed else self.former
            amount = self.amount * 2**place + (self.step if index >= self.stepped else 0)
            if abs(amount) >= 2**63:
                continue
            found.append(
                {
                    "account": self.account,
                    "booking date": booked
                    + (self.jitter[index] if index < len(self.jitter) else 0),
                    "amount": amount,
                    "merchant": payee.merchant,
                    "text": payee.text,
                    "type": self.type if index < self.retyped else self.former_type,
                    "category": self.category,
                    "balance": self.balance,
                    "own transfer": self.own,
                }
            )
        return found


def rarely(default: Any, strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return a strategy that mostly draws the default, and shrinks to it."""
    return st.integers(0, 3).flatmap(lambda n: strategy if n == 3 else st.just(default))


payees: Final = st.one_of(
    st.builds(Payee, st.sampled_from(PAYEES[:3]), st.none()),
    st.builds(Payee, rarely(None, st.sampled_from(PAYEES)), st.one_of(st.none(), DESCRIPTORS)),
)
amounts: Final = st.builds(
    lambda size, sign: sign * size,
    st.one_of(
        st.sampled_from(AMOUNTS), st.integers(1, 30_000), rarely(1_000, st.sampled_from(LARGE))
    ),
    st.sampled_from((-1, -1, 1)),
)


def series(income: bool = False) -> st.SearchStrategy[Series]:
    """Return a strategy for series of payments, or of income at a usual rhythm."""
    return st.builds(
        Series,
        account=st.integers(0, 1),
        payee=payees,
        former=rarely(None, payees),
        renamed=st.integers(1, 4),
        rhythm=st.one_of(
            st.sampled_from(MONTHS),
            st.sampled_from(EXACT),
            st.sampled_from(MONTHS[:1] if income else EDGES),
        ),
        last=st.one_of(st.integers(0, 31), st.sampled_from((-3, 45, 46, 60, 90, 200))),
        count=st.integers(3, 8) if income else st.one_of(st.integers(1, 9), st.integers(10, 45)),
        amount=amounts.map(abs) if income else amounts,
        step=rarely(0, st.one_of(st.integers(-300, 300), st.sampled_from(STEPS))),
        stepped=st.integers(1, 5),
        width=st.just(1) if income else rarely(1, rarely(2, st.integers(15, 18))),
        jitter=rarely((), st.lists(st.integers(-4, 4), max_size=6).map(tuple)),
        omitted=rarely(frozenset(), st.frozensets(st.integers(0, 8), max_size=2)),
        type=st.sampled_from(TYPES),
        former_type=rarely(None, st.sampled_from(TYPES)),
        retyped=st.one_of(st.just(50), st.integers(1, 5)),
        category=st.sampled_from((None, "food", "rent")),
        balance=st.one_of(
            st.just(10_000), rarely(None, st.sampled_from((*LARGE[-6:], -(2**52), -(2**53), 0)))
        ),
        own=rarely(False, st.booleans()),
    )


@st.composite
def related(draw: st.DrawFn, one: Series) -> Series:
    """Draw a series that is easily mistaken for another one."""

    months, days = one.rhythm
    gap = months * 30 + days
    match draw(
        st.sampled_from(
            ("former payee", "other account", "other payee", "other days", "dues", "new price")
        )
    ):
        case "former payee":
            before = gap * (one.count - draw(st.integers(0, 1))) + draw(st.integers(-4, 4))
            count, payee = draw(st.integers(2, 5)), draw(payees)
            return replace(one, payee=payee, last=one.last + before, count=count, retyped=50)
        case "other account":
            return replace(one, account=1 - one.account)
        case "other payee":
            return replace(one, payee=Payee(None, one.payee.merchant or "b"))
        case "dues":
            apart = draw(st.sampled_from((30, 61, 91, 120, 182)))
            step = draw(st.integers(-300, 300))
            return replace(one, last=one.last + apart, amount=one.amount + step, step=0)
        case "new price":
            before = gap * one.count + draw(st.integers(-4, 4))
            amount = one.amount * draw(st.sampled_from((40, 60, 130, 200, 500))) // 100
            return replace(
                one, last=one.last + before, count=draw(st.integers(1, 5)), amount=amount
            )
        case _:
            return replace(one, last=one.last + draw(st.integers(0, 16)))


@st.composite
def recurring_facts(draw: st.DrawFn) -> tuple[FactBatch, Date]:
    """Draw the facts of one to three customers, with two accounts each, and a date."""
    as_of = Date(day(draw(st.sampled_from(DATES))))
    tables: dict[str, list[dict[str, Any]]] = {"customers": [], "accounts": [], "transactions": []}
    for customer in "abc"[: draw(st.integers(1, 3))]:
        currency = draw(st.sampled_from(("GBP", "JPY", "KWD")))
        tables["customers"].append({"id": customer, "currency": currency})
        for account in (0, 1):
            identifier = f"{customer}{account}"
            tables["accounts"].append({"id": identifier, "customer": customer, "type": "current"})
        drawn = draw(st.lists(series(), max_size=4)) + draw(st.lists(series(True), max_size=1))
        drawn += [draw(related(one)) for one in drawn if draw(st.booleans())]
        rows = [row for one in drawn for row in one.rows(as_of)]
        for number, row in enumerate(rows):
            keys = {"id": f"{customer}{number}", "sequence": number}
            tables["transactions"].append(row | keys | {"account": f"{customer}{row['account']}"})
    frames = {name: frame(name, rows) for name, rows in tables.items()}
    return batch_from(ordered(coded(frames, Schema())), Schema()), as_of
