"""The rule for valid identifiers, which holds wherever identifiers enter the system.

An identifier names a customer, an account, a transaction or a consent. It is 1 to 200 characters of
UTF-8. Blanks inside are allowed, as banks use them. Characters that are invisible or change how
others are displayed are not: control characters, line separators, zero-width and directional format
characters, surrogates, and blanks at either end. Two texts are the same identifier if their bytes
are equal.

The character sets are written out because the tables of Unicode differ between versions of Python,
and because the same patterns serve Python, Polars and PostgreSQL.
"""

import re
from typing import Final

from tuppence.cards import masked
from tuppence.errors import UserError
from tuppence.plain_text import SURROGATE

MAX_LENGTH: Final = 200
"""Maximum number of characters of an identifier."""
HIDDEN: Final = (
    r"[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    r"\ufff9-\ufffb\U000e0000-\U000e007f]"
)
"""Control characters, line separators, and format characters: zero-width or directional."""
BLANK: Final = r"[ \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]"
PROBLEMS: Final = (
    (rf"(?s)^.{{{MAX_LENGTH + 1}}}", f"is longer than {MAX_LENGTH} characters"),
    (HIDDEN, "has a control character or another that cannot be seen"),
    (f"^{BLANK}|{BLANK}$", "begins or ends with a blank"),
)
"""Regular expressions that an identifier must not match, in order of precedence, with reasons."""
_PROBLEMS: Final = tuple((re.compile(pattern), reason) for pattern, reason in PROBLEMS)


def why_not_identifier(text: str) -> str | None:
    """Return a predicate such as `is empty` that says why a text is not an identifier, or None."""
    if not text:
        return "is empty"
    if SURROGATE.search(text):
        return "is not UTF-8 text"
    return next((reason for pattern, reason in _PROBLEMS if pattern.search(text)), None)


def check_identifier(text: str, what: str) -> str:
    """Return an identifier unchanged.

    Args:
        text: The identifier.
        what: The kind of thing it names, such as `customer`, for the error message.

    Raises:
        UserError: `identifier.invalid`; the message shows the text with characters escaped that
            are not ASCII.
    """
    problem = why_not_identifier(text)
    if problem is None:
        return text
    hidden = masked(text)
    shown = ascii(hidden if len(hidden) <= 40 else f"{hidden[:40]}...")
    hint = f"an identifier is 1 to {MAX_LENGTH} visible characters, without blanks around them"
    raise UserError("identifier.invalid", f"{what}: the identifier {shown} {problem}", hint)
