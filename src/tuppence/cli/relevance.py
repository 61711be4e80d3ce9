"""The commands `tuppence relevance`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer

from tuppence.bootstrap.learning import Learning, learning_of_services, learning_of_store
from tuppence.bootstrap.store import open_store
from tuppence.bootstrap.store_feed import feed_policy, ordered_feed
from tuppence.cli.changing import hold
from tuppence.cli.output import (
    DEFAULT_PURPOSES,
    Database,
    FeedPolicy,
    Format,
    FormatOption,
    Purposes,
    console,
    current_time,
    echo,
    only_identifiers,
    print_json,
    table,
)
from tuppence.errors import UserError
from tuppence.feel.values import Date
from tuppence.relevance.fitting import WINDOW
from tuppence.relevance.scorecard import PRIOR, Scorecard, read_scorecard
from tuppence.usecases.build_feed import Feed
from tuppence.usecases.judge_order import RULE_ORDER, Target, judge, live_against_hold_out
from tuppence.usecases.learn_order import fit_order
from tuppence.usecases.levers import candidates_of, scorecard_rows

MAX_SHOWN: Final = 12
"""Number of rules and topics of each end that a scorecard shows."""
OneStore = Annotated[
    Path | None, typer.Option("--store", help="The folder of the store.", show_default=False)
]
Models = Annotated[
    str,
    typer.Option(
        help="With a database: models that the feed service reads, a folder or s3://bucket/prefix/."
    ),
]
Feeds = Annotated[
    str,
    typer.Option(help="With a database: the log of feeds, if it is in dynamodb://table."),
]
Model = Annotated[
    str, typer.Option("--model", help="Digest of a model; the published one if omitted.")
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(
        no_args_is_help=True, help="Learn the order of feeds, show and judge it, and publish it."
    )
    app.add_typer(group, name="relevance")
    _add_fit(group)
    _add_show(group)
    _add_evaluate(group)
    _add_compare(group)


def _add_fit(group: typer.Typer) -> None:
    @group.command(epilog="Example: `tuppence relevance fit --store demo --publish`")
    def fit(
        ctx: typer.Context,
        store: OneStore = None,
        database: Database = "",
        models: Models = "",
        feeds: Feeds = "",
        temperature: Annotated[
            int,
            typer.Option(
                min=5, max=200, help="Points of chance in the order: the more, the more is tried."
            ),
        ] = PRIOR.temperature,
        seed: Annotated[int, typer.Option(min=0, max=2**31, help="Seed of the chance.")] = 0,
        publish: Annotated[
            bool, typer.Option("--publish", help="Let feeds be ordered by it.")
        ] = False,
    ) -> None:
        """Fit a model to the views and clicks of the last 60 nights, and keep it by its digest.

        The same log gives the same model, byte for byte. Nothing is learned from urgent and from
        sensitive insights. One customer in twenty stays in rule order for good, to compare with.
        """
        where = _where(store, database, models, feeds, ctx)
        card = fit_order(where.read_log(WINDOW), temperature, seed)
        where.models.put(card)
        echo(f"fitted {card.digest} to {_fitted(card)}")
        if publish:
            where.models.publish(card.digest)
            echo(f"published {card.digest}")

    @group.command(
        epilog="Examples: `tuppence relevance publish 0123456789abcdef --store demo`, and "
        "`tuppence relevance publish --rule-order --store demo`"
    )
    def publish(
        ctx: typer.Context,
        digest: Annotated[
            str, typer.Argument(help="Digest of a model that is kept.", show_default=False)
        ] = "",
        store: OneStore = None,
        database: Database = "",
        models: Models = "",
        feeds: Feeds = "",
        rule_order: Annotated[
            bool, typer.Option("--rule-order", help="Let feeds be in rule order again.")
        ] = False,
    ) -> None:
        """Let feeds be ordered by a model that is kept, or by rules again; at once."""
        if bool(digest) == rule_order:
            raise typer.BadParameter("give the digest of a model, or --rule-order")
        where = _where(store, database, models, feeds, ctx)
        if rule_order:
            where.models.withdraw()
            echo("feeds are in rule order")
        else:
            where.models.publish(digest)
            echo(f"published {digest}")


def _add_show(group: typer.Typer) -> None:
    @group.command(epilog="Example: `tuppence relevance show --store demo --customer C0000007`")
    def show(
        store: OneStore = None,
        database: Database = "",
        models: Models = "",
        feeds: Feeds = "",
        model: Model = "",
        customer: Annotated[
            str | None,
            typer.Option(
                help="Explain the feed of this customer instead.",
                callback=only_identifiers("customer"),
            ),
        ] = None,
        policy: FeedPolicy = None,
        purposes: Purposes = DEFAULT_PURPOSES,
        format_: FormatOption = Format.TABLE,
    ) -> None:
        """Show a model as the scorecard that it is, or a customer's feed as sums of points.

        A hundred points multiply the odds of a click by 2.7.
        """
        kept = _where(store, database, models, feeds).models
        published = kept.published()
        digest = model or ("" if published is None else published.digest)
        if not digest:
            echo(f"feeds are in rule order; models that are kept: {_listed(kept.digests())}")
            return
        card = read_scorecard(kept.get(digest))
        if customer is not None:
            if store is None:
                raise typer.BadParameter("a customer's feed is shown from a store: give --store")
            wanted, now = frozenset(purposes), current_time()
            feed = ordered_feed(open_store(store), customer, wanted, policy, now, (digest, card))
            print_json(_feed_document(feed)) if format_ is Format.JSON else _print_feed(feed)
        elif format_ is Format.JSON:
            print_json({"digest": digest, "model": msgspec.to_builtins(card)})
        else:
            echo(f"model {digest}, fitted to {_fitted(card)}")
            echo(f"others that are kept: {_listed(set(kept.digests()) - {digest})}")
            _print_card(card)


def _add_evaluate(group: typer.Typer) -> None:
    @group.command(
        epilog="Example: `tuppence relevance evaluate --store demo --policy with-values.yaml`"
    )
    def evaluate(
        store: OneStore = None,
        database: Database = "",
        models: Models = "",
        feeds: Feeds = "",
        model: Model = "",
        policy: FeedPolicy = None,
        temperature: Annotated[
            int | None, typer.Option(min=5, max=200, help="Another temperature than the model's.")
        ] = None,
        format_: FormatOption = Format.TABLE,
    ) -> None:
        """Estimate the clicks that another model or policy would bring, before anybody sees it.

        It is told from the views that a published model has ordered, whose chance made them differ
        in a known way. The model alone and rule order are estimated beside it, so the difference
        to the model alone is what the policy's values cost. Tiers and caps stay as they were.

        A model is judged by views that it has not learned from. So without --model one is fitted to
        all but the last 14 nights, or to half of a shorter log, and judged by the others.
        """
        where = _where(store, database, models, feeds)
        log = where.read_log(None)
        chosen = read_scorecard(where.models.get(model)) if model else None
        own, card = candidates_of(log, chosen)
        heat = card.temperature if temperature is None else temperature
        wanted = feed_policy(policy, where.schema())
        alone = msgspec.structs.replace(wanted, values=[])
        targets = [Target("the model", card, alone, heat)]
        if wanted.values:
            targets.append(Target("with the policy's values", card, wanted, heat))
        targets.append(Target(RULE_ORDER, None, alone, 0))
        judged = judge(log, own, targets)
        if format_ is Format.JSON:
            print_json([one.document() for one in judged])
            return
        echo(f"logged: {judged[0].estimate.logged:.4f} clicks a view")
        rows = []
        for target, one in judged:
            known = (f"{one.change:+.1%}", f"{one.change_low:+.1%} to {one.change_high:+.1%}")
            rows.append((target.name, *(known if not one.unknown else ("not known", one.unknown))))
        console().print(table(("order", "clicks", "95 % interval, or the reason"), rows))


def _add_compare(group: typer.Typer) -> None:
    @group.command(epilog="Example: `tuppence relevance compare --store demo`")
    def compare(
        store: OneStore = None,
        database: Database = "",
        models: Models = "",
        feeds: Feeds = "",
        format_: FormatOption = Format.TABLE,
    ) -> None:
        """Compare the clicks of customers with a learned order with those of the hold-outs.

        The interval holds at all times at once, so it may be looked at every day.
        """
        found = live_against_hold_out(_where(store, database, models, feeds).read_log(None))
        if format_ is Format.JSON:
            print_json(found._asdict())
            return
        if found.unknown:
            echo(f"not known: {found.unknown}")
            return
        echo(f"learned order: {found.learned:.4f} clicks a view")
        echo(f"hold-outs:     {found.held_out:.4f} clicks a view")
        echo(f"difference:    {found.lift:+.1%}, between {found.low:+.1%} and {found.high:+.1%}")
        proven = found.low > 0 or found.high < 0
        echo("this is not chance" if proven else "this may be chance: look again another day")


def _where(
    store: Path | None, database: str, models: str, feeds: str, ctx: typer.Context | None = None
) -> Learning:
    """Return the log and the models of services, or of a store, held where there is a context.

    Raises:
        UserError: Neither, or both, are given.
    """
    if store is not None and not models and not feeds:  # the address may be in the environment
        return learning_of_store(open_store(store) if ctx is None else hold(ctx, store))
    if store is None and database and models:
        return learning_of_services(database, models, feeds)
    message = "say where the log of feeds is: --store, or --database and --models"
    raise UserError("cli.where", message, "tuppence relevance --help")


def _fitted(card: Scorecard) -> str:
    one = card.fitted
    if one is None:
        return "nothing"
    return (
        f"{one.clicks:,} clicks on {one.cards:,} cards in {one.views:,} views, "
        f"{Date(one.first)} to {Date(one.last)}"
    )


def _listed(digests: Sequence[str] | set[str]) -> str:
    return ", ".join(sorted(digests)) or "none"


def _print_card(card: Scorecard) -> None:
    signed = [
        (part, f"{name}, see --format json", "") if points is None else (part, name, f"{points:+}")
        for part, name, points in scorecard_rows(card, MAX_SHOWN)
    ]
    console().print(table(("part", "of", "points"), signed, numbers=("points",)))


def _feed_document(feed: Feed) -> dict[str, Any]:
    listed = []
    for one in feed.candidates:
        if one.draw is not None and feed.order is not None:
            (parts,) = feed.order.parts([one])
            named = {name: points for name, points in zip(*parts, strict=True) if points}
            about = {"rule": one.rule.id, "tier": one.tier, "place": one.place}
            listed.append({**about, "points": one.draw.points, "parts": named,
                           "chance": one.draw.chance})  # fmt: skip
    order = None if feed.view.order is None else msgspec.to_builtins(feed.view.order)
    return {"customer_id": feed.customer, "order": order, "candidates": listed}


def _print_feed(feed: Feed) -> None:
    order = feed.view.order
    if feed.order is None:
        by = "rules" if order is None else order.by.value.replace("_", " ")
        echo(f"the feed of {feed.customer} is in rule order ({by})")
        return
    rows = []
    for one in _feed_document(feed)["candidates"]:
        parts = " ".join(f"{name} {points:+}" for name, points in one["parts"].items())
        place = "–" if one["place"] is None else str(one["place"] + 1)
        rows.append((place, one["tier"], one["rule"], one["points"], f"{one['chance']:.0%}", parts))
    columns = ("place", "tier", "rule", "points", "chance", "sum of")
    console().print(table(columns, rows, numbers=("place", "tier", "points", "chance")))
