"""The command `tuppence cost`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from tuppence.capacity.cost import Estimate, Line, estimate
from tuppence.capacity.environments import ENVIRONMENTS
from tuppence.capacity.feed_cost import feed_monthly
from tuppence.capacity.quotas import quotas
from tuppence.capacity.run import Load
from tuppence.capacity.tables import read_prices, read_work
from tuppence.cli.output import Format, FormatOption, console, echo, print_json, table
from tuppence.errors import UserError

MAX_CUSTOMERS = 10_000_000_000


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(epilog="Example: `tuppence cost --customers 1000000 --rules 60 --env prod`")
    def cost(
        customers: Annotated[
            int, typer.Option(help="Number of customers.", min=1, max=MAX_CUSTOMERS)
        ],
        rules: Annotated[int, typer.Option(help="Number of rules.", min=1, max=100_000)],
        runs_per_day: Annotated[
            float, typer.Option(help="Runs a day; 0.5 is one every other day.", min=0.01, max=1_000)
        ] = 1,
        env: Annotated[
            str, typer.Option("--env", help="Environment, such as prod.", envvar="TUPPENCE_ENV")
        ] = "prod",
        prices: Annotated[
            Path | None,
            typer.Option(help="A table of prices of the environment's region, in TOML."),
        ] = None,
        format_: FormatOption = Format.TABLE,
    ) -> None:
        """Show the monthly cost of a fleet on AWS by component, each with its formula.

        The prices are those of the region that the environment is in; a region without prices is
        refused. For comparison, it shows the cost of the published shape with the same prices and
        the same measured work: a request for each customer and rule, and a write for each
        evaluation.
        """
        if env not in ENVIRONMENTS:
            message = f"there is no environment {env!r}"
            raise UserError("cost.environment", message, f"choose one of {', '.join(ENVIRONMENTS)}")
        load = Load(customers, rules, runs_per_day)
        known = read_prices(ENVIRONMENTS[env].region, prices)
        found = estimate(ENVIRONMENTS[env], known, read_work(), load)
        feeds = tuple(feed_monthly(ENVIRONMENTS[env], known, customers))
        if format_ is Format.JSON:
            print_json(_document(found, feeds))
        else:
            _print(found, feeds)


def _document(found: Estimate, feeds: tuple[Line, ...]) -> dict[str, Any]:
    def lines(bill: tuple[Line, ...]) -> list[dict[str, Any]]:
        return [{**line._asdict(), "usd": round(line.usd, 4)} for line in bill]

    return {
        "environment": found.environment.name,
        **found.load._asdict(),
        "prices": {"dated": found.prices.dated, "region": found.prices.region},
        "work": {"measured": found.work.measured, "machine": found.work.machine},
        "monthly": lines(found.ours),
        "monthly_usd": round(found.usd, 2),
        "first_run_usd": round(found.first_run, 2),
        "feeds": lines(feeds),
        "feeds_usd": round(sum(line.usd for line in feeds), 2),
        "quotas": [one._asdict() for one in quotas(found.environment)],
        "published_shape": lines(found.published),
        "published_shape_usd": round(found.published_usd, 2),
    }


def _print(found: Estimate, feeds: tuple[Line, ...]) -> None:
    load, prices, work = found.load, found.prices, found.work
    often = "1 run" if load.runs_per_day == 1 else f"{load.runs_per_day:g} runs"
    echo(
        f"{load.customers:,} customers x {load.rules:,} rules, {often} a day, "
        f"environment {found.environment.name}: US dollars a month"
    )
    echo(f"prices: list prices of {prices.region} as of {prices.dated}")
    echo(f"work: measured on {work.measured}, {work.machine}\n")
    rows = [
        (one.component, _formula(one), f"{one.usd:,.2f}", f"{other.usd:,.0f}")
        for one, other in zip(found.ours, found.published, strict=True)
    ]
    rows.append(("total", "", f"{found.usd:,.2f}", f"{found.published_usd:,.0f}"))
    heads = ("component", "calculation", "dollars", "published shape")
    console().print(table(heads, rows, heads[2:]))
    results = load.customers * load.rules
    echo(f"a customer: {100 * found.usd / load.customers:.3f} cents a month")
    echo(f"the first run, which writes all {results:,} results: {found.first_run:,.2f} once")
    for one in quotas(found.environment):
        echo(f"quota of {one.service}: {one.name}, at least {one.needed:,}")
    echo(f"the published shape costs {found.published_usd / found.usd:,.1f} times as much")
    echo("\nfeeds, if people look at them as often as is assumed:\n")
    bill = [(one.component, _formula(one), f"{one.usd:,.2f}") for one in feeds]
    bill.append(("total", "", f"{sum(one.usd for one in feeds):,.2f}"))
    console().print(table(heads[:3], bill, heads[2:3]))


def _formula(line: Line) -> str:
    if line.unit == "month":
        return line.formula
    each = f"${line.usd_each:.10f}".rstrip("0").rstrip(".")
    return f"{line.formula} = {line.quantity:,.2f} {line.unit} x {each}"
