"""What the page of a feed shows, apart from the browser."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from tuppence.feed.choice import Outcome
from tuppence.services.feed_page.chart import HEIGHT, MONTHS, WIDTH, bars
from tuppence.services.feed_page.showing import REASONS
from tuppence.usecases.build_feed import NOT_DUE

rows = st.lists(
    st.fixed_dictionaries(
        {
            "booking date": st.dates().map(str),
            "amount": st.integers(-10_000, 10_000).map(lambda n: f"{n / 100:.2f}"),
        }
    ),
    max_size=20,
)


def row(day: str, amount: str) -> dict[str, str | None]:
    return {"booking date": day, "amount": amount}


def test_a_chart_has_a_bar_for_each_month_also_for_empty_ones() -> None:
    found = bars([row("2026-01-05", "-10"), row("2026-01-06", "5"), row("2026-03-01", "30.00")])
    assert [(bar.month, bar.amount, bar.height) for bar in found] == [
        ("2026-01", Decimal(15), HEIGHT // 2),
        ("2026-02", Decimal(0), 0),
        ("2026-03", Decimal(30), HEIGHT),
    ]
    assert bars([row("2026-01-05", "1"), row("2026-01-31", "1")]) == ()
    assert bars([{"booking date": None, "amount": "1"}]) == ()


@given(rows)
def test_bars_stay_inside_of_the_chart(drawn: list[dict[str, str | None]]) -> None:
    found = bars(drawn)
    assert len(found) <= MONTHS
    for bar in found:
        assert bar.x >= 0
        assert bar.x + bar.width <= WIDTH
        assert bar.y >= 0
        assert bar.y + bar.height == HEIGHT
        assert bar.width > 0


def test_every_outcome_has_a_sentence_for_the_reader() -> None:
    assert REASONS.keys() == {*Outcome} - NOT_DUE - {Outcome.SHOWN}
