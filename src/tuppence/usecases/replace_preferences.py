"""Replaces a person's choices about their feed."""

from tuppence.errors import UserError
from tuppence.feed.preferences import Preferences, is_time_zone
from tuppence.rules.message import message_environment
from tuppence.usecases.feed_ports import FeedStore


def replace_preferences(store: FeedStore, customer: str, chosen: Preferences) -> None:
    """Replace a person's choices.

    Args:
        store: Keeps the choices.
        customer: The person.
        chosen: The choices.

    Raises:
        UserError: There is no such locale, time zone or customer.
    """
    if chosen.locale is not None:
        message_environment("GBP", chosen.locale)
    if chosen.time_zone is not None and not is_time_zone(chosen.time_zone):
        message = f"there is no time zone {chosen.time_zone!a}"
        raise UserError("request.time-zone", message, "a time zone is written Europe/London")
    with store.change(customer) as change:
        change.prefer(chosen)
