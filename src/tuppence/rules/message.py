"""Messages: a rule's templates filled with a result's values, in the customer's locale.

Templates run in Jinja's sandbox. A missing value is an error; it never leaves a gap in the text.
"""

import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final

import babel
import jinja2
from babel.dates import format_date
from babel.numbers import (
    format_currency,
    format_decimal,
    format_percent,
    get_currency_precision,
)

from tuppence.errors import UserError
from tuppence.facts.currency import minor_digits
from tuppence.feel.values import Date, civil
from tuppence.rules.rule import Rule
from tuppence.rules.templates import fill, make_environment


class MessageError(UserError):
    """Raised for a message that cannot be written with the given values."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A message as a customer reads it."""

    title: str
    body: str


def render(
    rule: Rule, values: Mapping[str, Any], currency: str, locale: str, variant_index: int = 0
) -> Rendered:
    """Fill the templates of a rule's message.

    Args:
        rule: The rule.
        values: FEEL values by name.
        currency: ISO 4217 code, for the filter `money`.
        locale: Locale such as en_GB.
        variant_index: Index of the wording, modulo the number of wordings.

    Raises:
        MessageError: The template uses a value that is null or missing, or a filter that does not
            fit the value.
        UserError: The locale is unknown.
    """
    environment = message_environment(currency, locale)
    wording = rule.message.wordings[variant_index % len(rule.message.wordings)]
    present = {name: value for name, value in values.items() if value is not None}
    try:
        texts = [fill(text, environment, present) for text in (wording.title, wording.body)]
    except (jinja2.TemplateError, TypeError, ValueError) as error:
        message = f"the message of {rule.id} cannot be written: {error}"
        raise MessageError("message.values", message, "tuppence explain shows the values") from None
    return Rendered(*texts)


@functools.lru_cache(maxsize=100)
def message_environment(currency: str, locale: str) -> jinja2.Environment:
    """Return a Jinja environment with the filters that messages may use.

    Raises:
        UserError: The locale is unknown.
    """
    try:
        known = babel.Locale.parse(locale)
    except (ValueError, babel.UnknownLocaleError):
        message = f"there is no locale {locale}"
        raise UserError("message.locale", message, "a locale is written en_GB") from None
    return make_environment(_filters(currency, known))


FILTERS: Final = ("money", "number", "percent", "date", "day_month")
"""Filters that write values in the customer's locale."""


def _filters(currency: str, locale: babel.Locale) -> dict[str, Callable[..., str]]:
    unit = Decimal(1).scaleb(-(minor_digits(currency) or 0))
    amount_with_digits = learned(
        lambda amount: format_currency(amount, currency, locale=locale),
        get_currency_precision(currency),
    )
    whole_amount = learned(
        lambda amount: format_currency(
            amount, currency, "¤#,##0", locale=locale, currency_digits=False
        ),
        0,
    )
    whole_number = learned(lambda value: format_decimal(value, locale=locale), 0)
    percentage = learned(lambda value: format_percent(value / 100, locale=locale), 0)

    def money(value: Decimal) -> str:
        """Write an amount as £1,234.50, or as £1,234 if there are no pence."""
        if not isinstance(value, Decimal | int):  # a template may have numbers of its own
            raise TypeError(f"{value} is not an amount")
        amount = Decimal(value).quantize(unit)
        if locale.language == "en" and amount == amount.to_integral_value():
            return whole_amount(amount)
        return amount_with_digits(amount)

    def number(value: Decimal | int | float) -> str:
        if isinstance(value, Decimal) and value == value.to_integral_value():
            return whole_number(value)
        return format_decimal(value, locale=locale)

    def percent(value: Decimal | int | float) -> str:
        """Write 25 as 25%."""
        if isinstance(value, Decimal):
            return percentage(value)
        return format_percent(value / 100, locale=locale)

    @functools.lru_cache(maxsize=1_000)  # most dates of an evening's messages are of a few days
    def written_date(day: date, pattern: str) -> str:
        return format_date(day, pattern, locale=locale)

    def long_date(value: Date) -> str:
        return written_date(_python_date(value), "long")

    def day_month(value: Date) -> str:
        return written_date(_python_date(value), "d MMMM")

    return dict(zip(FILTERS, (money, number, percent, long_date, day_month), strict=True))


def learned(write: Callable[[Decimal], str], digits: int) -> Callable[[Decimal], str]:
    """Return a function with the same results as one of Babel, about ten times as fast.

    It takes the signs and separators from two examples. If numbers of the locale are anything but
    digits in groups of three, it is the function itself.

    Args:
        write: Writes a number.
        digits: Number of decimals that it writes, always.
    """
    sample = Decimal(1_234_567) + Decimal(7).scaleb(-digits) if digits else Decimal(1_234_567)
    positive, negative = (_EXAMPLE.fullmatch(write(one)) for one in (sample, -sample))
    if positive is None or negative is None or positive["marks"] != negative["marks"]:
        return write
    group, point = positive["group"], positive["point"] or ""
    if (positive["decimals"] or "") != "7".rjust(digits, "0")[:digits]:
        return write
    marks = str.maketrans({",": group, ".": point})
    around = [(one["before"], one["after"]) for one in (positive, negative)]

    def written(value: Decimal) -> str:
        if abs(value) >= LARGE:
            return write(value)
        before, after = around[value.is_signed()]
        return f"{before}{f'{abs(value):,.{digits}f}'.translate(marks)}{after}"

    return written


LARGE: Final = 10**15
"""Numbers from here on are left to Babel."""
_EXAMPLE: Final = re.compile(
    r"(?P<before>\D*)(?P<marks>1(?P<group>\D*)234(?P=group)567(?:(?P<point>\D+)(?P<decimals>0*7))?)"
    r"(?P<after>\D*)"
)


def _python_date(value: Date) -> date:
    if not isinstance(value, Date):
        raise TypeError(f"{value!r} is not a date")
    return date(*civil(value.day))
