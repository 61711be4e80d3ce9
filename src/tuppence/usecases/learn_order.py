"""Learns the order of feeds from their log: reads it into columns, and fits a model."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from tuppence.errors import UserError
from tuppence.feed.policy import URGENT
from tuppence.relevance.features import FEATURES, Insights
from tuppence.relevance.fitting import Shown, fit
from tuppence.relevance.scorecard import PRIOR, Scorecard
from tuppence.usecases.feed_ports import LoggedView, OrderedBy, ViewedItem, ViewOrder
from tuppence.usecases.order_feed import SCORES, Model

Array = npt.NDArray[Any]


class ModelStore(Protocol):
    """Keeps models by their digests; a stored model never changes."""

    def put(self, one: Scorecard) -> None:
        """Store a model, unless it is stored already."""
        ...

    def get(self, digest: str) -> bytes:
        """Return the canonical bytes of a model.

        Raises:
            UserError: No model has that digest, or its bytes are damaged.
        """
        ...

    def digests(self) -> Sequence[str]:
        """Return the digests of all stored models."""
        ...

    def published(self) -> Model | None:
        """Return the published model; None if feeds are in rule order."""
        ...

    def publish(self, digest: str) -> None:
        """Let feeds be ordered by a stored model."""
        ...

    def withdraw(self) -> None:
        """Let feeds be in rule order again."""
        ...

    def destroy(self) -> int:
        """Remove all models, and return their number."""
        ...


class LogColumns(NamedTuple):
    """A log in columns: views, and the candidates of each, which are adjacent.

    Attributes:
        insights: The rules of all candidates.
        customers: Customers, in order.
        customer: Number of the customer of each view.
        night: Night of each view.
        order: The model that ordered each view; None if there was none.
        places: Maximum number of items of each view.
        starts: Number of the first candidate of each view, and after them their number.
        rule: Number of the rule of each candidate.
        tier: Tier of each.
        topic: Topic of each as it was then; empty for none.
        score: Score of each, times `SCORES`.
        place: Place of each; -1 if it was not shown.
        features: Features of each.
        clicked: Whether each was opened.
        points: Points of each as it was drawn; 0 if it was not.
        drawn: Whether each was in a draw.
    """

    insights: Insights
    customers: tuple[str, ...]
    customer: Array
    night: Array
    order: tuple[ViewOrder | None, ...]
    places: Array
    starts: Array
    rule: Array
    tier: Array
    topic: Array
    score: Array
    place: Array
    features: Array
    clicked: Array
    points: Array
    drawn: Array

    @property
    def view(self) -> Array:
        """The number of the view of each candidate."""
        return np.repeat(np.arange(len(self.customer)), np.diff(self.starts))


def read_log(log: Iterable[LoggedView]) -> LogColumns:
    """Return a log in columns, in an order that follows from its content.

    Views from before features were logged are left out, and so are candidates that were due but
    neither shown nor drawn.
    """
    views = sorted(
        (one for one in log if all(item.features for item in one.view.candidates)),
        key=lambda one: (one.view.night, one.customer, one.id),
    )
    insights = _insights(views)
    numbers = {name: number for number, name in enumerate(insights.ids)}
    customers = tuple(sorted({one.customer for one in views}))
    codes = {name: number for number, name in enumerate(customers)}
    kept = [[item for item in one.view.candidates if _counts(item)] for one in views]
    items = [
        (item, item.item in one.clicked)
        for one, kept_ in zip(views, kept, strict=True)
        for item in kept_
    ]
    found = np.array([item.features for item, _ in items], np.int64).reshape(-1, FEATURES)

    def column(values: Iterable[int]) -> Array:
        return np.array([*values], np.int64)

    return LogColumns(
        insights,
        customers,
        column(codes[one.customer] for one in views),
        column(one.view.night for one in views),
        tuple(one.view.order for one in views),
        column(one.view.places for one in views),
        np.cumsum([0, *map(len, kept)]),
        column(numbers[item.item.rule_id] for item, _ in items),
        column(item.tier for item, _ in items),
        np.array([item.topic or "" for item, _ in items], np.str_),
        column(0 if item.score is None else int(item.score * SCORES) for item, _ in items),
        column(-1 if item.place is None else item.place for item, _ in items),
        found,
        np.array([clicked for _, clicked in items], bool),
        column(item.points or 0 for item, _ in items),
        np.array([item.points is not None for item, _ in items], bool),
    )


def fit_order(
    log: LogColumns,
    temperature: int = PRIOR.temperature,
    seed: int = PRIOR.seed,
    until: int | None = None,
) -> Scorecard:
    """Fit a model to a log.

    Urgent insights are left out: nobody is free not to see them first.

    Args:
        log: The log.
        temperature: Points by which noise will be multiplied.
        seed: The seed of the noise.
        until: The last night that counts; the last of the log if None.

    Raises:
        UserError: The log has nothing that something can be learned from.
    """
    kept = (log.place >= 0) & (log.tier != URGENT)
    view = log.view
    if until is not None:
        kept &= log.night[view] <= until
    shown = Shown(
        view[kept],
        log.night[view][kept],
        log.rule[kept],
        log.place[kept],
        log.features[kept],
        log.clicked[kept],
    )
    return fit(shown, log.insights, temperature, seed)


def renew_models(models: ModelStore, read: Callable[[], LogColumns]) -> tuple[int, str | None]:
    """Destroy all models, and fit and publish a new one if one was published.

    Models made before an erasure have learned from the person who is erased.

    Args:
        models: The models.
        read: Reads the log, of which the person is no part any more.

    Returns:
        The number of models that were destroyed, and the digest of the new one if there is one.
    """
    before = models.published()
    destroyed = models.destroy()
    if before is None:
        return destroyed, None
    try:
        card = fit_order(read(), before.card.temperature, before.card.seed)
    except UserError as error:
        if error.code != "relevance.empty":
            raise
        return destroyed, None
    models.put(card)
    models.publish(card.digest)
    return destroyed, card.digest


def is_learned(order: ViewOrder | None) -> bool:
    """Return whether a model ordered a view."""
    return order is not None and order.by is OrderedBy.MODEL


def _counts(item: ViewedItem) -> bool:
    return item.place is not None or item.points is not None


def _insights(views: Sequence[LoggedView]) -> Insights:
    """Return the rules of views, each as the last night has it.

    A rule that was ever sensitive stays so.
    """
    known: dict[str, ViewedItem] = {}
    sensitive = set[str]()
    for one in views:
        for item in one.view.candidates:
            known[item.item.rule_id] = item
            if item.sensitive:
                sensitive.add(item.item.rule_id)
    ids = tuple(sorted(known))
    return Insights(
        ids,
        tuple(known[name].kind or "" for name in ids),
        tuple(known[name].topic or "" for name in ids),
        np.array([name in sensitive for name in ids], bool),
    )
