"""Finds and masks the numbers of payment cards in texts.

A card number has 13 to 19 digits and ends with a check digit by Luhn (ISO/IEC 7812-1). People and
banks write it in groups, with unusual blanks and dashes, in digits of other scripts, or next to
other numbers. So any 13 to 19 consecutive digits that pass Luhn are taken for a card number, with
anything but letters between them. One in ten numbers of that length passes by chance and is masked
too, because losing a reference is better than storing a card number.
"""

import re
import unicodedata
from collections.abc import Iterator
from itertools import accumulate
from typing import Final

MIN_DIGITS: Final = 13
MAX_DIGITS: Final = 19
SHOWN: Final = 4
"""Number of digits at the end that stay visible, so that people can recognize the card."""
_RUN: Final = re.compile(rf"[0-9](?:[\W_]*+[0-9]){{{MIN_DIGITS - 1},}}+")
"""Matches enough digits for a card number, with anything but letters between them."""
_NO_ASCII: Final = re.compile(r"[^\x00-\x7f]")
_IBAN: Final = re.compile(r"(?<![^\W_])([A-Z]{2})[0-9]{2}")
_IBAN_REGISTRY: Final = (
    "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 "
    "DJ27 DK18 DO28 EE20 EG29 ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 "
    "HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 "
    "MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 "
    "RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 "
    "VA22 VG24 XK20 YE30"
)
_IBAN_LENGTHS: Final = {entry[:2]: int(entry[2:]) for entry in _IBAN_REGISTRY.split()}
"""Number of characters of an IBAN by country, from the registry of ISO 13616."""


def masked(text: str) -> str:
    """Return the text with a star for each digit of a card number except the last four.

    No 13 to 19 consecutive digits of the result pass Luhn, unless they are all zeros or part of an
    IBAN. Masking a masked text changes nothing.

    Args:
        text: Any text.
    """
    plain = _without_ibans(_with_ascii_digits(text))
    signs = list(text)
    hidden = True
    while hidden:  # the digits that stay visible might form a card number with their neighbours
        hidden = False
        for run in _RUN.finditer(plain):
            places = [place for place in range(*run.span()) if "0" <= plain[place] <= "9"]
            for start, end in _numbers(run[0]):
                for place in places[start : end - SHOWN]:
                    signs[place] = "*"
                hidden = True
        if hidden:
            plain = "".join("*" if s == "*" else p for s, p in zip(signs, plain, strict=True))
    return "".join(signs)


def holds_card(text: str) -> bool:
    """Return whether a text may hold a card number.

    Args:
        text: Any text.
    """
    plain = _without_ibans(_with_ascii_digits(text))
    return any(True for run in _RUN.finditer(plain) for _ in _numbers(run[0]))


def _numbers(run: str) -> Iterator[tuple[int, int]]:
    """Yield the first and the end position of card numbers, counted in digits of the text."""
    digits = [int(sign) for sign in run if sign.isdigit()]
    doubled = [2 * digit - 9 * (digit > 4) for digit in digits]
    sums = []  # up to each position, with the digits at even or odd positions doubled
    for odd in (0, 1):
        mixed = digits.copy()
        mixed[odd::2] = doubled[odd::2]
        sums.append([0, *accumulate(mixed)])
    for end in range(MIN_DIGITS, len(digits) + 1):
        luhn = sums[end % 2]  # the last digit, at end - 1, is not doubled
        for start in range(max(0, end - MAX_DIGITS), end - MIN_DIGITS + 1):
            if (luhn[end] - luhn[start]) % 10 == 0 and any(digits[start:end]):
                yield start, end


def _with_ascii_digits(text: str) -> str:
    """Return a text of the same length in which digits of other scripts are 0 to 9."""
    return _NO_ASCII.sub(lambda sign: str(unicodedata.digit(sign[0], sign[0])), text)


def _without_ibans(text: str) -> str:
    """Return a text of the same length with letters in place of each valid IBAN.

    An IBAN is recognized by its country, that country's length, and its check digits (ISO 7064 mod
    97-10).
    """
    for found in _IBAN.finditer(text):
        length = _IBAN_LENGTHS.get(found[1], 0)
        whole = re.compile(rf"[A-Z]{{2}}[0-9]{{2}}(?: ?[A-Z0-9]){{{length - 4}}}(?![^\W_])")
        iban = whole.match(text, found.start()) if length else None
        if iban is None:
            continue
        code = iban[0].replace(" ", "")
        if int("".join(str(int(sign, 36)) for sign in code[4:] + code[:4])) % 97 == 1:
            text = text[: iban.start()] + "I" * len(iban[0]) + text[iban.end() :]
    return text
