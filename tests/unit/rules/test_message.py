"""Numbers and dates of messages are written as Babel writes them."""

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Final

import babel
import pytest
from babel.dates import format_date
from babel.numbers import format_currency, format_decimal, format_percent, get_currency_precision
from hypothesis import given
from hypothesis import strategies as st
from tests.examples import examples

from tuppence.feel.values import Date
from tuppence.rules.message import LARGE, learned, message_environment

LOCALES: Final = (
    *("en_GB", "en_IN", "de_DE", "de_CH", "fr_FR", "cs_CZ", "pl_PL", "es_ES", "pt_PT", "sv_SE"),
    *("hi_IN", "ar_EG", "fa_IR", "ja_JP", "lt_LT", "he_IL", "sl_SI", "nb_NO", "en_ZA", "ta_LK"),
)
CURRENCIES: Final = ("GBP", "EUR", "JPY", "CZK", "KWD", "HUF", "CHF", "INR")
numbers = st.one_of(
    st.decimals(-LARGE * 10, LARGE * 10, places=4),
    st.decimals(-2_000, 2_000, places=2),
    st.integers(-10_000, 10_000).map(Decimal),
    st.sampled_from(("0", "-0", "-0.004", "0.005", "0.015", "-999.995", "999.5", "1E+3")).map(
        Decimal
    ),
)


def written(currency: str, locale: str, name: str) -> Callable[[Decimal], str]:
    found: Callable[[Decimal], str] = message_environment(currency, locale).filters[name]
    return found


@examples(100, 20_000)
@given(numbers, st.sampled_from(LOCALES), st.sampled_from(CURRENCIES))
def test_amounts_and_numbers_are_written_as_babel_does(
    value: Decimal, locale: str, currency: str
) -> None:
    digits = get_currency_precision(currency)
    quick = learned(lambda amount: format_currency(amount, currency, locale=locale), digits)
    assert quick(value) == format_currency(value, currency, locale=locale)
    assert written(currency, locale, "number")(value) == format_decimal(value, locale=locale)
    percent = format_percent(value / 100, locale=locale)
    assert written(currency, locale, "percent")(value) == percent


@examples(50, 5_000)
@given(st.integers(-(10**9), 10**9), st.sampled_from(LOCALES))
def test_whole_amounts_have_no_pence_in_english_only(whole: int, locale: str) -> None:
    said = written("GBP", locale, "money")(Decimal(whole))
    if locale.startswith("en"):
        assert said == format_currency(whole, "GBP", "¤#,##0", locale, currency_digits=False)
    else:
        assert said == format_currency(whole, "GBP", locale=locale)


@pytest.mark.parametrize("locale", LOCALES)
def test_dates_are_written_as_babel_does(locale: str) -> None:
    long_date = message_environment("GBP", locale).filters["date"]
    for day in (20_000, 20_001, 20_000):
        known = babel.Locale.parse(locale)
        assert long_date(Date(day)) == format_date(
            date(1970, 1, 1) + timedelta(day), "long", locale=known
        )
    with pytest.raises(TypeError):
        long_date((20_000,))


def test_english_is_written_from_examples_and_indian_groups_by_babel() -> None:
    def babel_only(locale: str) -> Callable[[Decimal], str]:
        return lambda amount: format_currency(amount, "GBP", locale=locale)

    english, indian = babel_only("en_GB"), babel_only("en_IN")
    assert learned(english, 2) is not english
    assert learned(indian, 2) is indian
