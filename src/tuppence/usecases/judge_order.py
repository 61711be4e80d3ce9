"""Judges orders of feeds: what another one would bring, and what the learned one has brought."""

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from tuppence.errors import UserError
from tuppence.feed.policy import Policy
from tuppence.feel.values import Date
from tuppence.relevance.chances import chances
from tuppence.relevance.estimates import Estimate, Views, estimate, tilt
from tuppence.relevance.ranking import codes_of, keys, noise, ranked
from tuppence.relevance.scorecard import Scorecard, contributions
from tuppence.relevance.sequential import Arm, Comparison, compare
from tuppence.usecases.feed_ports import OrderedBy
from tuppence.usecases.learn_order import LogColumns, is_learned
from tuppence.usecases.order_feed import deck_of

Array = npt.NDArray[Any]

MAX_TILT: Final = 5.0
"""Standard errors by which first cards may differ from what their chances say."""
RULE_ORDER: Final = "rule order"
_TOLD: Final = ("value", "low", "high", "change", "change_low", "change_high")
"""Fields of an estimate that are not known together."""


class Target(NamedTuple):
    """An order of feeds that is to be estimated.

    Attributes:
        name: Its name.
        card: The model that orders feeds; None for rule order.
        policy: The policy, whose values count.
        temperature: Points by which noise is multiplied.
    """

    name: str
    card: Scorecard | None
    policy: Policy
    temperature: int


class Judged(NamedTuple):
    """The estimate of a target.

    Attributes:
        target: The target.
        estimate: The estimate.
    """

    target: Target
    estimate: Estimate

    def document(self) -> dict[str, Any]:
        """Return the estimate for JSON, without numbers that are not known."""
        found = {"order": self.target.name, **self.estimate._asdict()}
        return found | dict.fromkeys(_TOLD if self.estimate.unknown else ())


def judge(log: LogColumns, model: Scorecard, targets: Sequence[Target]) -> list[Judged]:
    """Estimate what orders of feeds would bring, from the views that a model has ordered.

    A model seems better than it is on the clicks that it has learned from, so only views of later
    nights count.

    Args:
        log: The log.
        model: The model of clicks that estimates are corrected from.
        targets: The orders.

    Raises:
        UserError: `relevance.no-draws`: no model has ordered a view, or none that is later than the
            targets. `relevance.log`: views were not drawn as the log says.
    """
    cards = (model, *(one.card for one in targets))
    fitted = [card.fitted for card in cards if card is not None]
    since = max((one.last for one in fitted if one is not None), default=-1)
    pieces = [_Piece(log, model, own, *kind) for kind, own in _kinds(log, since)]
    if not pieces:
        message = "not known: no model has ordered a view of this log"
        hint = "publish a model: its feeds try things out, and then others can be told from them"
        if any(map(is_learned, log.order)):
            message = f"not known: no view is later than {Date(since)}, until which models learned"
            hint = "judge a model that was fitted earlier, or wait some nights"
        raise UserError("relevance.no-draws", message, hint)
    check_draws(log, pieces)
    return [
        Judged(target, estimate(*_joined([piece.of(target) for piece in pieces])))
        for target in targets
    ]


def live_against_hold_out(log: LogColumns) -> Comparison:
    """Compare the feeds of customers with a learned order with those of hold-outs.

    Who chose rule order counts as one of the former: otherwise the groups would differ by more
    than the draw. The views of a customer in a night count as one, since a newly published model
    makes another view of the same feed, but only where a model orders it.
    """
    held = np.array([one is not None and one.by is OrderedBy.HOLD_OUT for one in log.order], bool)
    live = np.array([one is not None for one in log.order], bool) & ~held
    many = len(log.customers)

    def arm(views: Array) -> Arm:
        own = views[log.view]
        pairs = np.stack([log.customer, log.night], axis=1)[views]
        customer = np.unique(pairs, axis=0)[:, 0]
        clicked = own & log.clicked & (log.place >= 0)
        rows = [log.customer[log.view], log.night[log.view], log.rule]
        clicks = np.unique(np.stack(rows, axis=1)[clicked], axis=0)[:, 0]
        counted = np.bincount(customer, minlength=many)
        present = counted > 0
        return Arm(counted[present], np.bincount(clicks, minlength=many)[present])

    return compare(arm(live), arm(held))


def _kinds(log: LogColumns, since: int) -> Iterator[tuple[tuple[int, int], Array]]:
    """Yield the views after a night that models have ordered, by temperature and places."""
    learned = np.array([is_learned(one) for one in log.order], bool) & (log.night > since)
    heat = np.array([0 if one is None else one.temperature for one in log.order], np.int64)
    pairs = np.stack([heat, log.places], axis=1)
    for temperature, places in np.unique(pairs[learned], axis=0).tolist():
        own = learned & (heat == temperature) & (log.places == places)
        yield (temperature, places), np.flatnonzero(own)


class _Piece:
    """The views of one temperature and one number of places."""

    def __init__(
        self, log: LogColumns, model: Scorecard, views: Array, temperature: int, places: int
    ) -> None:
        self.views, self.temperature, self.places = views, temperature, places
        wanted = np.zeros(len(log.customer), bool)
        wanted[views] = True
        self.rows = np.flatnonzero(wanted[log.view] & log.drawn)
        self._log = log
        self.view = np.searchsorted(views, log.view[self.rows])
        self.rule, self.score = log.rule[self.rows], log.score[self.rows]
        starts = np.searchsorted(self.view, np.arange(len(views) + 1))
        self.deck = deck_of(
            starts,
            log.tier[self.rows],
            log.topic[self.rows],
            log.points[self.rows],
            self.score,
            self.rule,
        )
        self.drawn = chances(self.deck, temperature, places)
        found = self._points(model)
        self._clicks = 1 / (1 + np.exp(-(found[:, None] + model.place_points(places)) / 100))
        self._looks = model.looks(places)

    def of(self, target: Target) -> tuple[Views, Array]:
        """Return the views, and the chance of each card at each place under a target."""
        log = self._log
        views = Views(
            self.view,
            log.customer[self.views],
            log.place[self.rows],
            log.clicked[self.rows].astype(np.float64),
            self.drawn,
            self._clicks,
            self._looks,
        )
        places = min(self.places, target.policy.places)
        wanted = np.zeros_like(self.drawn)
        if target.card is None:
            everything = np.ones(len(self.rule), bool)
            deck = self.deck._replace(points=self.score, fixed=everything)
            place = ranked(deck, keys(deck, 0, self.rule), places)
            shown = place >= 0
            wanted[np.flatnonzero(shown), place[shown]] = 1
        else:
            values = np.array(
                [
                    target.policy.value_points(*pair)
                    for pair in zip(log.insights.ids, log.insights.kinds, strict=True)
                ]
            )
            points = self._points(target.card) + values[self.rule]
            deck = self.deck._replace(points=np.where(self.deck.fixed, self.score, points))
            wanted[:, :places] = chances(deck, target.temperature, places)
        return views, wanted

    def replayed(self) -> Array:
        """Return the place that each card gets in a draw like the one that is logged."""
        log = self._log
        view = log.view[self.rows]
        seeds = np.array([0 if one is None else one.seed for one in log.order])[view]
        customers = codes_of(log.customers)[log.customer[view]]
        rules = codes_of(log.insights.ids)[self.rule]
        noises = np.zeros(len(self.rows), np.int64)
        for seed in np.unique(seeds).tolist():
            own = seeds == seed
            noises[own] = noise(seed, log.night[view][own], customers[own], rules[own])
        return ranked(self.deck, keys(self.deck, self.temperature, noises), self.places)

    def _points(self, card: Scorecard) -> Array:
        log = self._log
        parts = contributions(card, log.insights, self.rule, log.features[self.rows])
        points: Array = parts.sum(axis=1)
        return points


def check_draws(log: LogColumns, pieces: Sequence[_Piece]) -> None:
    """Check that views were drawn as the log says: replay each, and test their temperature.

    Raises:
        UserError: They were not.
    """
    for piece in pieces:
        place = log.place[piece.rows]
        wrong = len(np.unique(piece.view[piece.replayed() != place]))
        free = ~piece.deck.fixed
        off = tilt(piece.view[free], place[free], piece.drawn[free, 0], piece.deck.points[free])
        hint = "nothing can be told from this log: find out who wrote it"
        if wrong:
            message = (
                f"{wrong:,} of {len(piece.views):,} views with temperature {piece.temperature} "
                "were not drawn as the log says"
            )
            raise UserError("relevance.log", message, hint)
        if abs(off) > MAX_TILT:
            message = (
                f"views with temperature {piece.temperature} have first cards that it does not "
                f"explain: {off:+.1f} standard errors"
            )
            raise UserError("relevance.log", message, hint)


def _joined(parts: Sequence[tuple[Views, Array]]) -> tuple[Views, Array]:
    """Return the views of several pieces as one; places that a piece lacks are never looked at."""
    most = max(wanted.shape[1] for _, wanted in parts)

    def wide(values: Array) -> Array:
        return np.pad(values, ((0, 0), (0, most - values.shape[1])))

    first, views = 0, []
    for one, _ in parts:
        views.append(one.view + first)
        first += len(one.customer)
    looks = max((one.looks for one, _ in parts), key=len)
    return Views(
        np.concatenate(views),
        np.concatenate([one.customer for one, _ in parts]),
        np.concatenate([one.place for one, _ in parts]),
        np.concatenate([one.clicked for one, _ in parts]),
        np.concatenate([wide(one.drawn) for one, _ in parts]),
        np.concatenate([wide(one.clicks) for one, _ in parts]),
        looks,
    ), np.concatenate([wide(wanted) for _, wanted in parts])
