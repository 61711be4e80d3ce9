"""What customers agreed to, without which nobody is evaluated."""

from typing import Final

import msgspec

PURPOSE: Final = "insights"


class Consent(msgspec.Struct, frozen=True):
    """What a customer agreed to; dates are days since 1970-01-01.

    Attributes:
        customer: Who.
        id: Unique among the customer's; the bank's, where it came from one.
        purpose: What for.
        scope: What may be read, in the words of whoever asked.
        jurisdiction: Whose law it is under, ISO 3166 alpha-2 or EU.
        granted: Its first day.
        confirmed: When it was last confirmed again; None where it never was.
        expires: The first day without it; None where it has no end.
        withdrawn: The day of its withdrawal; None where it stands.
    """

    customer: str
    id: str
    purpose: str
    scope: tuple[str, ...]
    jurisdiction: str
    granted: int
    confirmed: int | None = None
    expires: int | None = None
    withdrawn: int | None = None

    def holds(self, day: int) -> bool:
        """Whether it allows an evaluation as of a day; a withdrawal counts for every day."""
        ended = self.expires is not None and day >= self.expires
        return self.granted <= day and not ended and self.withdrawn is None

    def after(self, earlier: "Consent | None") -> "Consent":
        """What is known when this was told after something earlier of the same consent.

        It began with the first that is known of it, and a withdrawal stays.
        """
        if earlier is None:
            return self
        withdrawn = earlier.withdrawn if self.withdrawn is None else self.withdrawn
        begun = min(self.granted, earlier.granted)
        return msgspec.structs.replace(self, granted=begun, withdrawn=withdrawn)

    @property
    def end(self) -> int | None:
        """The first day without it; None where there is none yet."""
        return min((d for d in (self.expires, self.withdrawn) if d is not None), default=None)
