"""Currencies and their minor units by ISO 4217, as published by SIX in 2026."""

from collections.abc import Mapping
from typing import Final

_TWO: Final = (
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD "
    "CAD CDF CHF CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD "
    "GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD "
    "MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP "
    "PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS "
    "TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VES WST XCD YER ZAR ZMW"
)
_NONE: Final = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
_THREE: Final = "BHD IQD JOD KWD LYD OMR TND"
_DIGITS: Final[Mapping[str, int]] = {
    code: digits for digits, codes in ((2, _TWO), (0, _NONE), (3, _THREE)) for code in codes.split()
}

_WITH_DOLLARS: Final = (
    "ARS AUD BBD BMD BND BSD BZD CAD CLP COP CVE DOP FJD GYD HKD JMD KYD LRD MXN NAD NIO NZD SBD "
    "SGD SRD TTD TWD USD UYU XCD"
)
SYMBOLS: Final[Mapping[str, frozenset[str]]] = {
    "$": frozenset(_WITH_DOLLARS.split()),
    "US$": frozenset({"USD"}),
    "A$": frozenset({"AUD"}),
    "AU$": frozenset({"AUD"}),
    "C$": frozenset({"CAD"}),
    "CA$": frozenset({"CAD"}),
    "NZ$": frozenset({"NZD"}),
    "HK$": frozenset({"HKD"}),
    "S$": frozenset({"SGD"}),
    "MX$": frozenset({"MXN"}),
    "R$": frozenset({"BRL"}),
    "£": frozenset({"EGP", "FKP", "GBP", "GIP", "LBP", "SDG", "SHP", "SSP", "SYP"}),
    "€": frozenset({"EUR"}),
    "¥": frozenset({"CNY", "JPY"}),
    "₹": frozenset({"INR"}),
    "₺": frozenset({"TRY"}),
    "₩": frozenset({"KPW", "KRW"}),
    "₽": frozenset({"RUB"}),
    "₴": frozenset({"UAH"}),
    "₪": frozenset({"ILS"}),
    "₫": frozenset({"VND"}),
    "₦": frozenset({"NGN"}),
    "₱": frozenset({"PHP"}),
    "฿": frozenset({"THB"}),
    "R": frozenset({"ZAR"}),
    "FR.": frozenset({"CHF"}),
    "FR": frozenset({"CHF"}),
    "SFR.": frozenset({"CHF"}),
    "KR": frozenset({"DKK", "ISK", "NOK", "SEK"}),
    "KR.": frozenset({"DKK", "ISK", "NOK", "SEK"}),
    "ZŁ": frozenset({"PLN"}),
    "KČ": frozenset({"CZK"}),
    "FT": frozenset({"HUF"}),
    "LEI": frozenset({"MDL", "RON"}),
}
"""The currencies that each sign beside an amount may stand for; signs are in capital letters."""


_NOTICEABLE: Final = (
    "CHF 15, EUR 15, GBP 15, AUD 25, CAD 25, NZD 25, SGD 25, USD 20, BGN 30, ILS 75, PLN 75, "
    "RON 75, BRL 100, CNY 150, DKK 150, HKD 150, NOK 200, SEK 200, CZK 400, MXN 400, TRY 700, "
    "ZAR 350, INR 1500, JPY 3000, ISK 2500, HUF 7000, KRW 25000"
)
"""About fifteen pounds, in round numbers."""
NOTICEABLE: Final[Mapping[str, int]] = {
    code: int(amount) for code, amount in (one.split() for one in _NOTICEABLE.split(", "))
}
"""The least difference that people notice in a month's spending, in main units of currencies.

Of other currencies it is not known.
"""


def currencies() -> frozenset[str]:
    """Return the codes of all currencies."""
    return frozenset(_DIGITS)


def minor_digits(currency: str) -> int | None:
    """Return the number of digits of a currency's minor unit, or None for an unknown currency."""
    return _DIGITS.get(currency)
