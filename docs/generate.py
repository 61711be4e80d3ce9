"""Write the pages of docs/reference from the code; with --check, only compare them."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from inspect import cleandoc
from pathlib import Path
from typing import Any

import msgspec
import typer
from docs.words import error_codes, words_page
from training.texts import held_out, statements

from tuppence.bankdata import incomes
from tuppence.bankdata.amounts import CREDIT, DEBIT, MARKS
from tuppence.bankdata.categories import CATEGORIES, INCOMING, MERCHANT_CODE_CONFIDENCE
from tuppence.bankdata.enrichment.brands import KINDS, brand_rows
from tuppence.bankdata.enrichment.descriptors import descriptor_of, table
from tuppence.bankdata.enrichment.enricher import MAX_MODEL_CONFIDENCE, MIN_CONFIDENCE, Enricher
from tuppence.bankdata.enrichment.model import Model, shipped_model
from tuppence.bankdata.mapping import DATE_LETTERS, EXTRA, SIGN_WORDS, Sign, Sum, words_of
from tuppence.bankdata.mapping import Mapping as MappingFile
from tuppence.bankdata.mapping import needed as needed_fields
from tuppence.bankdata.plaid import CONFIDENCE_LEVELS
from tuppence.bankdata.refunds import FULL_CONFIDENCE, PARTIAL_CONFIDENCE
from tuppence.capacity import cost, run
from tuppence.capacity.environments import ENVIRONMENTS
from tuppence.capacity.tables import read_prices, read_work
from tuppence.cli.app import build
from tuppence.engine.rule_tests import sample
from tuppence.facts.currency import SYMBOLS
from tuppence.facts.identifiers import MAX_LENGTH
from tuppence.facts.schema import COLLECTIONS, Schema, collection_doc
from tuppence.feel.diagnostics import EXPLANATIONS
from tuppence.feel.library import BUILTINS
from tuppence.feel.types import strip
from tuppence.rules.definition import Criteria, Definition, Measure, Score, Term, Where
from tuppence.rules.domain import documented_definitions
from tuppence.rules.files import read_rules
from tuppence.rules.message import FILTERS
from tuppence.rules.rule import Approval, Example, Message, Wording
from tuppence.rules.templates import ALLOWED, JINJA_FILTERS, MAX_ELEMENTS, MAX_OUTPUT
from tuppence.services.connections import ConnectionLimits
from tuppence.services.problems import STATUSES
from tuppence.services.rules_engine.app import BODY_BYTES as ENGINE_BODY_BYTES
from tuppence.services.rules_engine.app import Limits
from tuppence.services.rules_engine.openapi import openapi_document
from tuppence.services.sql_relay import BODY_BYTES as RELAY_BODY_BYTES
from tuppence.services.sql_relay import MAX_CUSTOMERS, RelayLimits, endpoints

MEANINGS = {
    "": "12.50",
    "+": "12.50",
    "-": "-12.50; 12.50 with `inverted`",
    CREDIT: "12.50, money in, also with `inverted`",
    DEBIT: "-12.50, money out, also with `inverted`",
}
ROOT = Path(__file__).parent.parent
REFERENCE = ROOT / "docs" / "reference"
NOTE = "<!-- Made from the code by `make docs`; change it there. -->\n"


REJECTS = """## Rows that were set aside

Imports write rows that they set aside to the folder `rejects` of the store, as CSV in UTF-8 with
commas. The columns are `row`, the row's number in the file; `reason`; the file's own columns, with
card numbers masked and identifiers that hold one replaced by tokens; and last `of customer` and
`of account`, the customer and account of the row if the import could tell them. If the file has
columns called `row` or `reason`, the added ones are called `row in file` and `reason set aside`;
the file's own `of customer` and `of account` get the suffix `in the file`.

To correct rows, edit this file and import it with `tuppence import csv` and the original mapping.
The import recognises the file by its first columns, ignores the added columns, and ignores
`delimiter` and `encoding` in the mapping. Parts of a bank's JSON are set aside with the columns
`document`, `place`, `reason` and `content`; that file is only for reading.

## CSV that is written

`tuppence results --format csv` and rows that were set aside are made to be opened in a
spreadsheet. A cell that would be a formula there, because it begins with `=`, `+`, `-`, `@`, a
tab or a line break, also behind blanks and quotation marks, gets an apostrophe before it. Numbers
such as `-12.50` stay numbers. Control characters, line breaks and characters that cannot be seen
are escapes such as `\\x1b` and `\\u202e`; JSON has `\\u001b`.

Importing a file of rejects takes that apostrophe away again, and puts the characters back in place
of their escapes. A backslash of the bank's that would begin such an escape is `\\x5c` in rejects.
"""


def schema_page() -> Iterator[str]:
    """Yield the fields of everything that a rule may read."""
    yield "# What a rule may read\n"
    yield "The same list is printed by `tuppence schema`.\n"
    for name in ("customer", *COLLECTIONS):
        yield f"## {name}\n"
        yield collection_doc(name) + "\n"
        if name in {"payments", "receipts"}:
            yield "The same fields as `transactions`.\n"
            continue
        yield "| field | type | unit | meaning |\n|---|---|---|---|"
        for field in Schema().fields(name):
            kind = str(strip(field.feel_type)) + (" or null" if field.nullable else "")
            doc = f"{field.doc} Personal." if field.personal else field.doc
            yield f"| `{field.name}` | {kind} | {field.unit} | {doc} |"
        yield ""


def functions_page() -> Iterator[str]:
    """Yield the domain functions and the built-in ones."""
    yield "# Functions\n\n## Of this project\n"
    yield "Written in FEEL, in `src/tuppence/rules/domain.feel`.\n"
    yield "| function | meaning |\n|---|---|"
    for signature, meaning in documented_definitions():
        yield f"| `{signature}` | {meaning} |"
    yield "\n## Of the language\n\n| function | meaning |\n|---|---|"
    for name in sorted(BUILTINS):
        yield f"| `{BUILTINS[name].signature}` | {BUILTINS[name].doc} |"


def diagnostics_page() -> Iterator[str]:
    """Yield every code with its meaning."""
    yield "# Diagnostics\n"
    yield "The findings of `tuppence rules check`, and the problems that a run counts.\n"
    yield "| code | meaning | how to fix it |\n|---|---|---|"
    for code, (meaning, mending) in sorted(EXPLANATIONS.items()):
        yield f"| `{code}` | {meaning} | {mending} |"
    yield "\n## Errors of commands, functions and services\n"
    yield (
        "Commands print the code in brackets: `error[file.missing]: …`. The Python API raises\n"
        "`tuppence.UserError` with it, and the services answer with it "
        "([their statuses](http.md#errors)).\n"
        "The table shows one message for each code; `…` stands for the parts that vary, "
        "`SERVICE` for the name of the service that was called.\n"
    )
    yield "| code | message | what to do |\n|---|---|---|"
    for one in error_codes():
        yield (
            "| "
            + " | ".join(cell.replace("|", "\\|") for cell in (f"`{one.code}`", *one[1:]))
            + " |"
        )


def attributes(kind: type) -> Iterator[tuple[str, str]]:
    """Yield names and meanings from the section Attributes of a docstring."""
    section = (kind.__doc__ or "").partition("Attributes:")[2]
    name, meaning = "", ""
    for line in section.splitlines():
        stripped = line.strip()
        if line.startswith("        ") and not line.startswith("         ") and ": " in stripped:
            if name:
                yield name, meaning
            name, _, meaning = stripped.partition(": ")
        elif stripped:
            meaning += f" {stripped}"
    if name:
        yield name, meaning


def choices(kind: type[msgspec.Struct], key: str) -> list[str]:
    """Return the words that a key may have."""
    schema = msgspec.json.schema(kind)["$defs"][kind.__name__]["properties"][key]
    found = schema.get("enum") or next(part for part in schema["anyOf"] if "enum" in part)["enum"]
    return sorted(word for word in found if word)


def structure(kind: type[msgspec.Struct]) -> Iterator[str]:
    """Yield a table of the keys of a file's struct."""
    required = {f.name for f in msgspec.structs.fields(kind) if f.required}
    names = {f.name: f.encode_name for f in msgspec.structs.fields(kind)}
    yield "| key | | meaning |\n|---|---|---|"
    for name, meaning in attributes(kind):
        key = names.get(name, name)
        yield f"| `{key}` | {'required' if name in required else ''} | {meaning} |"
    yield ""


def files_page() -> Iterator[str]:
    """Yield the keys of the files that people write."""
    yield "# Files that people write\n\n## A rule\n"
    yield "YAML; `tuppence rules schema` prints its JSON Schema for editors.\n"
    yield from structure(Definition)
    yield "`when`, `score` and each of `values` are FEEL, or a form. [The words](words.md) lists"
    yield "kinds, communications, categories, types, and the value of a key that is omitted.\n"
    yield "### A form: rows of `when`\n"
    yield from structure(Criteria)
    yield "`is` is one of: " + ", ".join(f"`{word}`" for word in choices(Criteria, "is")) + ".\n"
    yield "### A form: a measure\n"
    yield from structure(Measure)
    measures = ", ".join(f"`{word}`" for word in choices(Measure, "measure"))
    yield f"`measure` is one of: {measures}.\n"
    yield "### A form: conditions of `where`\n"
    yield from structure(Where)
    yield "### A form: a score\n"
    yield from structure(Score)
    yield from structure(Term)
    yield "### Its message\n"
    yield "Jinja templates over the rule's values.\n"
    yield f"A template may contain {ALLOWED}.\n"
    yield (
        f"A title or a body has at most {MAX_OUTPUT:,} characters when it is filled in, and a "
        f"list at most {MAX_ELEMENTS} elements.\n"
    )
    yield from structure(Message)
    yield "### A variant of it\n"
    yield from structure(Wording)
    yield f"Filters for values in it: {', '.join(f'`{n}`' for n in (*FILTERS, *JINJA_FILTERS))}.\n"
    yield "### Its approval\n"
    yield from structure(Approval)
    yield "### One of its tests\n"
    yield from structure(Example)
    yield "## A mapping\n"
    yield "The meaning of the columns of a table, for `tuppence import csv`: "
    yield "[its keys](mapping.md).\n"
    yield REJECTS


def mapping_page() -> Iterator[str]:
    """Yield the keys, fields and words of a mapping file."""
    yield "# A mapping\n"
    yield (
        "A YAML file that gives the meaning of the columns of a table, for `tuppence import csv`.\n"
        "[How to write one](../how-to/import-bank-data.md#from-a-table).\n"
    )
    yield "## Keys\n"
    yield from structure(MappingFile)
    yield "### sign\n"
    yield f"{cleandoc(Sign.__doc__ or '').partition('Attributes:')[0].strip()}\n"
    yield from structure(Sign)
    for title, is_out in (("money out", True), ("money in", False)):
        words = sorted(word for word, out in SIGN_WORDS.items() if out == is_out)
        yield f"Words for {title}: " + ", ".join(f"`{word}`" for word in words) + ".\n"
    yield "### A sum of columns\n"
    yield "For an amount or another number, such as `amount: {add: [Amount], subtract: [Fee]}`.\n"
    yield from structure(Sum)
    yield from _mapping_fields()
    yield from _mapping_values()


def _mapping_fields() -> Iterator[str]:
    yield "## Fields\n"
    yield "For `columns`, `constants` and `values`, by `table`.\n"
    for name in EXTRA:
        table = MappingFile(name, {})  # type: ignore[arg-type]
        needed = needed_fields(table, table.fields(Schema()))
        yield f"### {name}\n\n| field | | kind | meaning |\n|---|---|---|---|"
        for field in table.fields(Schema()).values():
            must = "required" if field.name in needed else ""
            yield f"| `{field.name}` | {must} | {field.kind.value} | {field.doc} |"
        yield ""
        for field_name, words in words_of(table).items():
            yield f"`{field_name}` is one of: " + ", ".join(f"`{w}`" for w in words) + ".\n"
    yield (
        "An amount may come from `sign.paid_out` and `sign.paid_in` instead. Other values in a\n"
        "column for the `type` of a transaction, or for its [category](words.md#categories), are\n"
        "kept and reported as a doubt, because rules do not know them. The mapping itself may\n"
        "not name a `type` that is not listed, or a misspelt category.\n"
    )


def _mapping_values() -> Iterator[str]:
    yield "## Amounts\n"
    yield (
        "Blanks are ignored, and characters that look alike are treated as the same. A row is set\n"
        "aside if its amount has another form, has two possible values, or has a currency that is\n"
        "not the customer's.\n"
    )
    yield "| text | value |\n|---|---|"
    for around, mark in MARKS.items():
        yield f"| `{around.replace('0', '12.50')}` | {MEANINGS[mark]} |"
    yield "\nCurrencies of amounts: codes of ISO 4217, and these signs, in upper or lower case.\n"
    yield "| sign | currencies |\n|---|---|"
    for symbol, codes in SYMBOLS.items():
        yield f"| `{symbol}` | {', '.join(sorted(codes))} |"
    yield "\n## Dates\n"
    letters = ", ".join(f"`%{letter}`" for letter in DATE_LETTERS)
    yield (
        f"`date_format` may contain these directives of strftime: {letters}.\n\n"
        "The day is taken as written; the time and the offset do not change it. `%z` must come\n"
        "last. If some row has a number above 12 as its month, and no row has a day above 12,\n"
        "dates that would be different with day and month swapped are set aside.\n"
    )
    yield "## Doubts\n"
    yield (
        "An import prints what looks wrong with the imported rows: balances that differ from the\n"
        "previous balance plus the amount, with their share and the likely cause; amounts that\n"
        "are all money in although the mapping does not say how money out is marked; and words\n"
        "that rules do not know. Correct the mapping and import the file again.\n"
    )


def commands_page() -> Iterator[str]:
    """Yield every command with its options."""
    yield "# Commands\n"
    root = typer.main.get_command(build())
    context = typer.Context(root, info_name="tuppence")

    def describe(command: object, name: str) -> Iterator[str]:
        children = getattr(command, "commands", {})
        if children:
            for child, found in children.items():
                yield from describe(found, f"{name} {child}")
            return
        yield f"## {name}\n"
        yield (getattr(command, "help", "") or "").replace("\n\n", "\n\n").strip() + "\n"
        yield "| option | | |\n|---|---|---|"
        for parameter in getattr(command, "params", []):
            if parameter.name == "help":
                continue
            names = ", ".join(f"`{option}`" for option in parameter.opts)
            if parameter.param_type_name == "argument":
                names = f"`{parameter.name.upper()}`"
            extra = "required" if parameter.required else ""
            default = parameter.get_default(context)
            if not parameter.required and default is not None and parameter.name != "processes":
                extra = f"default {default}"
            yield f"| {names} | {extra} | {getattr(parameter, 'help', '') or ''} |"
        yield f"\n{getattr(command, 'epilog', '') or ''}\n"

    yield from describe(root, "tuppence")


def http_page() -> Iterator[str]:
    """Yield the interfaces of the services."""
    yield from _http_requests()
    yield from _http_limits()
    yield from _http_errors()


def _http_requests() -> Iterator[str]:
    yield "# HTTP interfaces\n"
    yield (
        "Every request needs the header `Authorization: Bearer TOKEN`, except `/healthz`\n"
        "(the process is alive), `/readyz` (it can do its work), `/metrics` and `/openapi.json`.\n"
        "Bodies and answers are JSON. Money is in minor units, dates are such as `2026-06-30`.\n"
    )
    yield "## Rules engine\n"
    yield "An engine serves its OpenAPI document at `/openapi.json`. In short:\n"
    document = openapi_document(Schema())
    yield "| request | what it does |\n|---|---|"
    for path, item in document["paths"].items():
        for method in ("get", "post"):
            if method in item:
                yield f"| `{method.upper()} {path}` | {item[method]['summary']} |"
    parts = document["components"]["schemas"]
    asked = ("Evaluations", "SubmittedFacts", "OneEvaluation", "Refresh")
    for name in (
        *asked,
        "EvaluationsAnswer",
        "CustomerAnswer",
        "RuleAnswer",
        "OneAnswer",
        "Serving",
    ):
        yield f"\n### {name}\n"
        yield from keys(parts[name])
    yield "\n## SQL relay\n"
    yield "| request | what it does |\n|---|---|"
    for request, meaning in endpoints():
        yield f"| `{request}` | {meaning} |"
    yield (
        f"\nAt most {MAX_CUSTOMERS:,} customers at a time. Facts come as three Arrow IPC\n"
        "streams, one after another: customers, accounts, transactions. Their columns are those\n"
        "of [the schema](schema.md); customers' declared attributes are one column of JSON.\n"
    )


def _http_limits() -> Iterator[str]:
    yield "## Limits\n"
    yield (
        "Both services refuse what exceeds these limits, and close connections that are too slow.\n"
        "An identifier has 1 to "
        f"{MAX_LENGTH} visible characters, without blanks around them. A key may be\n"
        "in an object only once. Bodies are UTF-8 and not compressed.\n"
    )
    limits = ConnectionLimits()
    yield "| what | limit |\n|---|---|"
    yield f"| request line and headers | {limits.head_bytes:,} bytes, {limits.headers} headers |"
    yield f"| body, rules engine | {ENGINE_BODY_BYTES:,} bytes |"
    yield f"| body, SQL relay | {RELAY_BODY_BYTES:,} bytes |"
    yield f"| time to send the headers, or for the TLS handshake | {limits.head_seconds:g} s |"
    yield f"| time to send the body | {limits.body_seconds:g} s |"
    yield f"| time to read an answer | {limits.answer_seconds:g} s |"
    yield f"| time between an answer and the next request | {limits.idle_seconds:g} s |"
    yield f"| connections without a known token | {limits.strangers:,}; the oldest is closed |"
    yield f"| other connections | {limits.known:,}, half of them of one caller |"
    engine, relay = Limits().caller_requests, RelayLimits().caller_requests
    yield f"| requests of one caller at a time | {engine} of an engine, {relay} of the relay |"
    waiting = (
        f"{Limits().queue_limit:,} customers in an engine, {RelayLimits().queue_limit} requests"
    )
    yield f"| queue | {waiting} in the relay; of one caller, half of that |"


def _http_errors() -> Iterator[str]:
    yield "\n## Errors\n"
    yield (
        "`application/problem+json` (RFC 9457): `code`, `title`, `status`, and, if there\n"
        "is more to say, `detail` and `errors`. Codes are stable. After a status of 429, 502, "
        "503 or 504, wait for the seconds in `Retry-After` and send the "
        "request again. Codes that are "
        "not listed have the status 400.\n\n"
        "Every answer has the header `X-Request-Id`: the id of the request, or a new one. It is\n"
        "in [the logs](../how-to/read-the-logs.md), so it must not contain personal data.\n"
    )
    yield "| code | status |\n|---|---|"
    for code, status in sorted(STATUSES.items()):
        yield f"| `{code}` | {status} |"


def keys(part: dict[str, Any]) -> Iterator[str]:
    """Yield a table of the keys of an object in a JSON Schema."""
    yield "| key | | type |\n|---|---|---|"
    for name, value in part["properties"].items():
        needed = "required" if name in part.get("required", ()) else ""
        yield f"| `{name}` | {needed} | {type_of(value)} |"


def type_of(value: dict[str, Any]) -> str:
    """Describe the type of a value in a JSON Schema."""
    if "anyOf" in value:
        return " or ".join(dict.fromkeys(type_of(part) for part in value["anyOf"]))
    if "$ref" in value:
        return f"`{value['$ref'].rpartition('/')[2]}`"
    if "enum" in value:
        return ", ".join(f"`{word}`" for word in value["enum"])
    if value.get("type") == "array":
        return f"list of {type_of(value.get('items', {}))}"
    return str(value.get("format", value.get("type", "anything")))


def cost_page() -> Iterator[str]:
    """Yield the bill of a million customers, with prices, measured work and assumptions."""
    prices, work = read_prices(), read_work()
    found = cost.estimate(ENVIRONMENTS["prod"], prices, work, run.Load(1_000_000, 60, 1))
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
    yield "\n## Prices\n"
    yield "| unit | dollars | source |\n|---|---:|---|"
    for name, price in sorted(prices.price.items()):
        yield f"| {name.replace('_', ' ')} | {plain(price.usd)} | {price.source} |"


def plain(figure: float) -> str:
    """Format a figure without an exponent."""
    return f"{figure:,.10f}".rstrip("0").rstrip(".")


def catalogue_page() -> Iterator[str]:
    """Yield every insight of the catalogue, with the message that a customer reads."""
    schema = Schema()
    rules = read_rules(ROOT / "catalogue", schema).usable()
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


def language_page() -> Iterator[str]:
    """Yield the specification in tests/spec as one page."""
    yield "# The language, by example\n"
    yield "Each row runs as a test on each engine. `now()` is noon on 30 June 2026.\n"
    for path in sorted((ROOT / "tests/spec").glob("*.md")):
        yield "\n".join(
            f"#{line}" if line.startswith("# ") else line
            for line in path.read_text("utf-8").strip().splitlines()
        )
        yield ""


def enrichment_page() -> Iterator[str]:
    """Yield the sources of merchants and categories, and the accuracy of the model."""
    enricher, model = Enricher(), shipped_model()
    brands = {name for name, _ in brand_rows()}
    income = f"{incomes.FIRST_CONFIDENCE / 100} to {incomes.MAX_CONFIDENCE / 100}"
    yield "# Merchants and categories\n"
    yield (
        "An import finds the merchant and the category of a payment, each with a confidence from 0 "
        "to 1 that rules can read: `merchant confidence` and `category confidence`. What a person "
        "or a mapping gives has a confidence of 1 and is kept. There is no category without a "
        "confidence, and none with "
        f"less than {MIN_CONFIDENCE / 100}.\n"
    )
    yield f"Version of the lists and the model: `{enricher.version}`.\n"
    yield "| source | confidence |\n|---|---|"
    for what, sure in (
        (
            "a merchant category code that stands for one category",
            f"{MERCHANT_CODE_CONFIDENCE / 100}",
        ),
        (
            "Plaid's `HIGH` and `VERY_HIGH`",
            " and ".join(f"{n / 100}" for n in CONFIDENCE_LEVELS.values()),
        ),
        ("cash, a fee, interest or pay, by the bank's code", "0.95"),
        (f"one of {len(brands):,} brands, or of the project's own list of billers", "0.7 to 0.92"),
        (
            "a refund of all of a purchase, or of a part",
            f"{FULL_CONFIDENCE / 100} or {PARTIAL_CONFIDENCE / 100}",
        ),
        ("income: three or more receipts from one payer", income),
        ("words, by the model", f"{MIN_CONFIDENCE / 100} to {MAX_MODEL_CONFIDENCE / 100}"),
    ):
        yield f"| {what} | {sure} |"
    yield (
        "\nAll except the last were set, not measured. A merchant's name has 0.97 if it is the "
        "whole text, 0.95 or 0.85 if it comes first, 0.75 if it comes later or was cut short, 0.9 "
        "if the bank gives it, and 0.5 if it was only derived from the words of the text.\n"
    )
    yield from _examination(model)
    found = [(enricher.find(evidence).category, truth) for evidence, truth in statements()]
    answered = [pair for pair in found if pair[0]]
    right = sum(category == truth for category, truth in answered)
    yield (
        f"All methods together, on {len(found)} texts in the style of British statements: "
        f"{len(answered)} got a category, {right} of these the right one; "
        f"{sum(truth != '' for _, truth in found) - right} texts that have a category got none or "
        "another. The authors of the lists wrote the texts by hand (`training/statements.csv`), "
        "and the model was not trained on them: they show what to expect, but are not a "
        "measurement.\n"
    )
    yield "## Categories by brand\n"
    yield "Tags of OpenStreetMap; brands with other tags have a name and no category.\n"
    yield "| category | tags |\n|---|---|"
    for row in table(KINDS):
        tags = ", ".join(kind.partition("/")[2].replace("_", " ") for kind in row["kinds"].split())
        yield f"| {row['category']} | {tags} |"


def _examination(model: Model) -> Iterator[str]:
    """Yield the accuracy of the model for brands that it was not trained on."""
    allowed = CATEGORIES - INCOMING - {"people"}
    rows = held_out()
    said = [(row, *model.category(descriptor_of(row.text), allowed)) for row in rows]
    yield "## How often the model is right\n"
    yield (
        f"Tested on {len(rows):,} texts of {len({row.source for row in rows})} brands that it "
        "was not trained on. In practice the list of brands would recognise them, so this is the "
        "hardest case: a name such as Zizzi does not suggest pizza. If a brand has none of our "
        "categories, any answer counts as wrong.\n"
    )
    yield "| confidence at least | answered | of these right |\n|---:|---:|---:|"
    for least in (0.5, 0.6, 0.7, 0.8, 0.9):
        found = [(row, category) for row, category, sure in said if category and sure >= least]
        right = sum(category in row.categories for row, category in found)
        yield f"| {least} | {len(found) / len(rows):.1%} | {right / len(found):.1%} |"
    counted = Counter(
        (truth, category or "")
        for row, category, sure in said
        if len(row.categories) == 1 and category and sure >= MIN_CONFIDENCE / 100
        for truth in row.categories
    )
    names = sorted({name for pair in counted for name in pair})
    titles = [name or "none" for name in names]
    yield (
        f"\nAnswers with at least {MIN_CONFIDENCE / 100}, of brands of one category, "
        "rows are the true category:\n"
    )
    yield f"| | {' | '.join(titles)} |\n|---|{'---:|' * len(names)}"
    for truth in names:
        cells = " | ".join(f"{counted[truth, name] or ''}" for name in names)
        yield f"| {truth or 'none'} | {cells} |"
    yield ""


def decisions_page() -> Iterator[str]:
    """Yield a list of the decisions, by number."""
    yield "# Decisions\n"
    yield "Each takes half a page: what was decided, why, and what it costs.\n"
    for path in sorted((ROOT / "docs/adr").glob("0*.md")):
        title = path.read_text("utf-8").partition("\n")[0].removeprefix("# ")
        yield f"- [{title}]({path.name})"


PAGES: Mapping[str, Callable[[], Iterator[str]]] = {
    "schema.md": schema_page,
    "functions.md": functions_page,
    "diagnostics.md": diagnostics_page,
    "language.md": language_page,
    "files.md": files_page,
    "mapping.md": mapping_page,
    "commands.md": commands_page,
    "http.md": http_page,
    "cost.md": cost_page,
    "catalogue.md": catalogue_page,
    "words.md": words_page,
    "../adr/index.md": decisions_page,
    "enrichment.md": enrichment_page,
}


def main() -> int:
    """Write the pages, or list those that are out of date."""
    stale = []
    for name, page in PAGES.items():
        path = REFERENCE / name
        text = NOTE + "\n".join(page()).rstrip() + "\n"
        if "--check" in sys.argv:
            if not path.exists() or path.read_text("utf-8") != text:
                stale.append(str(path))
        else:
            path.write_text(text, "utf-8")
    if stale:
        sys.stderr.write(f"out of date: {', '.join(stale)}: run make docs\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
