"""The words that a rule may name."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, get_args

import msgspec

from tuppence.bankdata.categories import ACCOUNT_TYPES, CATEGORIES, INCOMING, TRANSACTION_TYPES
from tuppence.facts.schema import Schema
from tuppence.rules.checking import CheckedRule
from tuppence.rules.definition import Definition
from tuppence.rules.files import CATALOGUE, read_rules
from tuppence.rules.rule import Communication, InsightKind

FIRST_EXAMPLES: Final = 3
KINDS: Final[Mapping[str, str]] = {
    "insight": "Something about the customer's money that is worth knowing.",
    "saving": "A way to spend less, or to earn more with existing money.",
    "offer": "A product or a price that the customer can take.",
    "reward": "Good news: money that was earned, saved or refunded.",
    "tip": "Advice that applies to many people.",
    "guidance": "Help to decide, without a recommendation.",
}
COMMUNICATIONS: Final[Mapping[str, str]] = {
    "service": "About the service itself, such as a welcome.",
    "information": "Facts about the customer's own money.",
    "guidance": "Options and their consequences, without a recommendation of one.",
    "financial promotion": "An invitation to take up a financial product: needs an `approval`.",
}


def words_page() -> Iterator[str]:
    """Yield the lists of words that a rule may name."""
    rules = read_rules(CATALOGUE, Schema()).usable()
    yield "# Words that a rule may name\n"
    yield (
        "A rule that misspells a category, a type or a merchant finds nobody. The last column\n"
        "lists rules of [the catalogue](catalogue.md) that use each word.\n"
    )
    yield "## Kinds\n\n`kind` of a rule file.\n"
    yield from _uses(KINDS, InsightKind, rules, "kind")
    yield "## Communications\n"
    yield (
        "`communication` of a rule file: the legal status of the message, which decides who must "
        "approve it.\n"
    )
    yield from _uses(COMMUNICATIONS, Communication, rules, "communication")
    yield "## Categories\n"
    yield (
        "`category` of a transaction. Imports and the synthetic population use "
        "these; a mapping may add others.\n"
    )
    yield "| category | money | rules |\n|---|---|---|"
    for word in sorted(CATEGORIES):
        yield f"| `{word}` | {'in' if word in INCOMING else 'out'} | {_naming(word, rules)} |"
    yield "\n## Types of transactions\n"
    yield "`type` of a transaction: how it was paid.\n\n| type | rules |\n|---|---|"
    for word in sorted(TRANSACTION_TYPES):
        yield f"| `{word}` | {_naming(word, rules)} |"
    yield "\n## Types of accounts\n"
    yield "`type` of an account, and `account type` of a transaction.\n"
    yield "| type | rules |\n|---|---|"
    for word in sorted(ACCOUNT_TYPES):
        yield f"| `{word}` | {_naming(word, rules)} |"
    yield "\n## Defaults of a rule file\n"
    yield "The value of [a key of a rule file](files.md#a-rule) that is omitted.\n"
    yield "| key | default |\n|---|---|"
    for field in msgspec.structs.fields(Definition):
        if not field.required:
            default = field.default
            if default is msgspec.NODEFAULT:
                default = field.default_factory()
            yield f"| `{field.encode_name}` | {_shown(default)} |"


def _uses(
    meanings: Mapping[str, str], choice: object, rules: Sequence[CheckedRule], key: str
) -> Iterator[str]:
    words = get_args(choice)
    if set(words) != set(meanings):
        raise ValueError(f"the words documented for {key} differ from those in the code: {words}")
    yield f"| {key} | meaning | rules |\n|---|---|---|"
    for word in words:
        named = [one.rule.id for one in rules if getattr(one.rule, key) == word]
        yield f"| `{word}` | {meanings[word]} | {_first(named)} |"
    yield ""


def _naming(word: str, rules: Sequence[CheckedRule]) -> str:
    return _first(
        [
            one.rule.id
            for one in rules
            if any(f'"{word}"' in text for text in one.rule.expressions().values())
        ]
    )


def _first(names: Sequence[str]) -> str:
    shown = ", ".join(f"`{name}`" for name in names[:FIRST_EXAMPLES])
    rest = len(names) - FIRST_EXAMPLES
    return f"{shown} and {rest} more" if rest > 0 else shown


def _shown(value: object) -> str:
    if value is None:
        return "none"
    return f"`{value}`" if value or value == 0 else "empty"
