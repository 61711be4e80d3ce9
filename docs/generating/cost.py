"""The cost of a fleet."""

from collections.abc import Iterator

import msgspec

from tuppence.capacity import cost, feed_cost, run
from tuppence.capacity.environments import ENVIRONMENTS
from tuppence.capacity.quotas import quotas
from tuppence.capacity.tables import Prices, read_prices, read_work


def cost_page() -> Iterator[str]:
    """Yield the bill of a million customers, with prices, measured work and assumptions."""
    prod = ENVIRONMENTS["prod"]
    prices, work = read_prices(prod.region), read_work()
    found = cost.estimate(prod, prices, work, run.Load(1_000_000, 60, 1))
    yield "# What a fleet costs\n"
    yield (
        "`tuppence cost --customers 1000000 --rules 60 --env prod`: US dollars a month, by the\n"
        f"list prices of {prices.region} as of {prices.dated}, with one run a day.\n"
        "For comparison, the published shape makes a request for each customer "
        "and rule and a write\n"
        "for each evaluation, at the same prices and with the same measured work.\n"
    )
    yield "| component | calculation | dollars | published shape |\n|---|---|---:|---:|"
    for one, other in zip(found.ours, found.published, strict=True):
        quantity = f" = {one.quantity:,.2f} {one.unit}" if one.unit != "month" else ""
        yield f"| {one.component} | {one.formula}{quantity} | {one.usd:,.2f} | {other.usd:,.2f} |"
    yield f"| total | | {found.usd:,.2f} | {found.published_usd:,.2f} |\n"
    yield (
        f"That is {100 * found.usd / found.load.customers:.3f} cents a customer; the published\n"
        f"shape costs {found.published_usd / found.usd:,.0f} times as much. The first run writes\n"
        f"every result: {found.first_run:,.2f} dollars, once.\n"
    )
    yield from _feeds(prices)
    yield "## Measured\n"
    yield (
        f"On {work.measured}, {work.machine}: {work.population}.\n"
        "Seconds are those of one processor, and a processor of AWS is assumed to be as fast.\n"
        "`benchmarks/fleet/measure.py` repeats the measurement.\n"
    )
    yield "| what | figure |\n|---|---:|"
    for part, figures in msgspec.to_builtins(work).items():
        if isinstance(figures, dict):
            for name, figure in figures.items():
                yield f"| {part}, {name.replace('_', ' ')} | {plain(figure)} |"
    yield "\n## Assumed\n"
    yield f"- Processors that a run uses are {cost.BUSY:.0%} utilised."
    yield f"- An Aurora capacity unit has {cost.UNIT_CPU:g} processors; no page is cached."
    yield f"- A function has {run.FUNCTION_CPU:.2f} processors: one for every 1,769 MB."
    yield f"- A request to a queue or a table takes {1_000 * run.CALL_SECONDS:.0f} ms."
    yield f"- A call of a function writes {cost.LOG_BYTES:,} bytes of logs, and gets full batches."
    yield "- The measured rules read accounts and transactions. Rules that read bills,"
    yield "  subscriptions or incomes add about 8 ms an item and 0.2 ms a customer to an engine's"
    yield "  work, which is not counted."
    excluded = (cost.monthly.__doc__ or "").split("The bill excludes ")[1]
    yield f"- Not counted: {' '.join(excluded.split())}"
    yield "\n## Quotas of the account\n"
    yield (
        "Service Quotas in AWS's console shows what an account has. A new account has less: "
        "request an increase a few days before the first night.\n"
    )
    yield "| environment | service | quota | at least | because |\n|---|---|---|---:|---|"
    for name in ("dev", "staging", "prod"):
        for quota in quotas(ENVIRONMENTS[name]):
            yield f"| {name} | {quota.service} | {quota.name} | {quota.needed:,} | {quota.why} |"
    yield "\n## Prices\n"
    yield (
        f"These are the prices of {prices.region}, where the environments are. For another region "
        "copy `src/tuppence/capacity/prices/us-east-1.toml`, enter its prices and its name, and "
        "give the file with `--prices`. A region without prices is refused.\n"
    )
    yield "| unit | dollars | source |\n|---|---:|---|"
    for name, price in sorted(prices.price.items()):
        yield f"| {name.replace('_', ' ')} | {plain(price.usd)} | {price.source} |"


def _feeds(prices: Prices) -> Iterator[str]:
    yield "## Feeds\n"
    yield (
        f"If each of a million customers looks {feed_cost.VISITS} times a month, with "
        f"{feed_cost.REQUESTS} requests and\n"
        f"{feed_cost.EVENTS} events a visit. These figures are assumptions, and so are the sizes: "
        f"{feed_cost.EVENT_BYTES:,} bytes an event,\n"
        f"{feed_cost.VIEW_BYTES:,} a view, {feed_cost.STATES} states of "
        f"{feed_cost.STATE_BYTES:,} bytes a customer.\n"
    )
    lines = list(feed_cost.feed_monthly(ENVIRONMENTS["prod"], prices, 1_000_000))
    yield "| component | calculation | dollars |\n|---|---|---:|"
    for one in lines:
        quantity = f" = {one.quantity:,.2f} {one.unit}" if one.unit != "month" else ""
        yield f"| {one.component} | {one.formula}{quantity} | {one.usd:,.2f} |"
    yield f"| total | | {sum(one.usd for one in lines):,.2f} |\n"


def plain(figure: float) -> str:
    """Format a figure without an exponent."""
    return f"{figure:,.10f}".rstrip("0").rstrip(".")
