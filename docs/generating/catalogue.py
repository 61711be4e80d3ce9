"""The insights of the catalogue."""

from collections.abc import Iterator

from tuppence.engine.rule_tests import sample
from tuppence.facts.schema import Schema
from tuppence.rules.files import CATALOGUE, read_rules


def catalogue_page() -> Iterator[str]:
    """Yield every insight of the catalogue, with the message that a customer reads."""
    schema = Schema()
    rules = read_rules(CATALOGUE, schema).usable()
    yield f"# The catalogue: {len(rules)} insights\n"
    yield (
        "Each is a file in `catalogue/`, with test customers that check its thresholds. The "
        "quotation is the message that the first qualifying test customer "
        "reads. After an insight's title "
        "come its kind and the legal status of its message, which decides who must approve it.\n"
        "`tuppence catalogue catalogue` lists all of them.\n"
    )
    for checked in rules:
        rule, message = checked.rule, sample(checked, schema)
        yield f"## {rule.id}\n"
        yield (
            f"**{rule.title}** ({rule.kind}, {rule.communication}). {rule.description}".strip()
            + "\n"
        )
        if message is not None:
            yield f"> **{message.title}**\\\n> {message.body}\n"
        hidden = f", then hidden for {rule.cooldown_days}" if rule.cooldown_days else ", once"
        history = rule.minimum_history_days
        yield (
            f"Shown for {rule.expires_after_days} days{hidden};"
            f" needs {f'{history} days of transactions' if history else 'no history'};"
            f" {len(rule.tests)} test customers.\n"
        )
