"""Messages: a rule's templates filled with a result's values, in the customer's locale.

Templates run in Jinja's sandbox. A missing value is an error; it never leaves a gap in the text.
"""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final

import babel
import jinja2
from babel.dates import format_date
from babel.numbers import format_currency, format_decimal, format_percent

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

    def money(value: Decimal) -> str:
        """Write an amount as £1,234.50, or as £1,234 if there are no pence."""
        if not isinstance(value, Decimal | int):  # a template may have numbers of its own
            raise TypeError(f"{value} is not an amount")
        amount = Decimal(value).quantize(unit)
        whole = amount == amount.to_integral_value()
        pattern = "¤#,##0" if whole and locale.language == "en" else None
        digits = pattern is None
        return format_currency(amount, currency, pattern, locale=locale, currency_digits=digits)

    def number(value: Decimal) -> str:
        return format_decimal(value, locale=locale)

    def percent(value: Decimal) -> str:
        """Write 25 as 25%."""
        return format_percent(value / 100, locale=locale)

    def long_date(value: Date) -> str:
        return format_date(_python_date(value), "long", locale=locale)

    def day_month(value: Date) -> str:
        return format_date(_python_date(value), "d MMMM", locale=locale)

    return dict(zip(FILTERS, (money, number, percent, long_date, day_month), strict=True))


def _python_date(value: Date) -> date:
    if not isinstance(value, Date):
        raise TypeError(f"{value!r} is not a date")
    return date(*civil(value.day))
