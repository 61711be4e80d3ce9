"""The commands `tuppence enrich …`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer
from typer.core import TyperGroup

from tuppence.bankdata.categories import TRANSACTION_TYPES
from tuppence.bankdata.enrichment.corrections import (
    EVERYONE,
    MAX_CORRECTIONS,
    Correction,
    Key,
    by_key,
    checked,
    correction_for,
)
from tuppence.bankdata.enrichment.enricher import Enricher, Evidence
from tuppence.bootstrap.store import open_store
from tuppence.cards import masked
from tuppence.cli.changing import hold
from tuppence.cli.output import (
    Format,
    FormatOption,
    Store,
    console,
    echo,
    only_identifiers,
    print_json,
    table,
)
from tuppence.errors import UserError
from tuppence.structured import read_bytes
from tuppence.usecases.correct_categories import correct_categories

MAX_BYTES: Final = 50_000_000
MAX_LINES: Final = 1_000_000
COLUMNS: Final = ("text", "merchant", "confidence", "category", "confidence", "why")
KEYS: Final = (
    "text", "merchant", "merchant confidence", "category", "category confidence", "why",
)  # fmt: skip
Customer = Annotated[
    str | None,
    typer.Option(help="The customer it is about.", callback=only_identifiers("customer")),
]


class _ShowsTexts(TyperGroup):
    """A group of commands whose first argument may be a text, which `show` then gets."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] != "--help":
            args = ["show", *args]
        return super().parse_args(ctx, args)


def register(program: typer.Typer) -> None:
    """Add the group of commands."""
    app = typer.Typer(name="enrich", no_args_is_help=True, cls=_ShowsTexts)

    @app.callback()
    def group() -> None:
        """Show what is found in a bank's text, and correct it.

        `tuppence enrich TEXT…` stands for `tuppence enrich show TEXT…`.
        """

    @app.command(epilog='Example: `tuppence enrich "TESCO STORES 2041" "SQ *BEAN YARD"`')
    def show(
        texts: Annotated[
            list[str] | None, typer.Argument(help="Texts of payments.", show_default=False)
        ] = None,
        file: Annotated[Path | None, typer.Option(help="A file with a text on each line.")] = None,
        type_: Annotated[
            str, typer.Option("--type", help="How it was paid: card, transfer, …")
        ] = "card",
        received: Annotated[bool, typer.Option(help="Money that came in.")] = False,
        store: Annotated[Path | None, typer.Option(help="A store with corrections.")] = None,
        customer: Customer = None,
        format_: FormatOption = Format.TABLE,
    ) -> None:
        """Show the merchant and the category found in texts, how certain they are, and why."""
        if type_ not in TRANSACTION_TYPES:
            message = f"--type: {type_[:40]!r} is not a type"
            raise UserError("enrich.type", message, f"one of {', '.join(TRANSACTION_TYPES)}")
        given = [*(texts or ()), *(_lines(file) if file else ())]
        if not given:
            message = "there is no text to look at"
            raise UserError("enrich.no-text", message, "give a text, or --file with one on a line")
        corrections, whose = _kept(store, customer)
        enricher = Enricher()
        rows = [_row(text, type_, received, enricher, corrections, whose) for text in given]
        if format_ is Format.JSON:
            print_json([dict(zip(KEYS, row, strict=True)) for row in rows])
            return
        shown = [["" if cell is None else cell for cell in row] for row in rows]
        console().print(table(COLUMNS, shown))

    @app.command(
        epilog='Example: `tuppence enrich correct "BEAN YARD" --category groceries --store demo '
        "--customer C0000007`"
    )
    def correct(
        ctx: typer.Context,
        store: Store,
        text: Annotated[
            str | None, typer.Argument(help="A text that names the payee.", show_default=False)
        ] = None,
        category: Annotated[
            str | None, typer.Option(help="The right category; none to take it away.")
        ] = None,
        merchant: Annotated[str, typer.Option(help="The merchant's right name.")] = "",
        received: Annotated[
            bool,
            typer.Option("--received", help="Correct money that came in, whatever the category."),
        ] = False,
        customer: Customer = None,
        everyone: Annotated[
            bool, typer.Option("--everyone", help="For all customers of the store.")
        ] = False,
        file: Annotated[
            Path | None,
            typer.Option(help="In place of a text: what `enrich corrections` printed."),
        ] = None,
    ) -> None:
        """Correct the category of a payee, in this store and from now on.

        The correction holds for every text with the same words for the payee, whatever numbers and
        towns stand around them. It wins over everything else, also over what a mapping gives, in
        every later import; transactions that are in the store already are corrected at once. It
        belongs to one customer, with whom it is exported and erased, or to all: then it must not
        say anything about a person.
        """
        keeper = hold(ctx, store)
        facts = keeper.facts()
        if file is not None:
            if any((text, category, merchant, received, customer, everyone)):
                message = "--file cannot be combined with a text or options of a correction"
                hint = "the file says whose each correction is"
                raise UserError("enrich.incomplete", message, hint)
            given = _read(file)
        else:
            one = _correction(text, category, merchant, customer, everyone=everyone)
            given = [msgspec.structs.replace(one, received=received)]
            known = facts.customers()["id"].to_list()
            if given[0].customer == EVERYONE and not everyone:
                if len(known) != 1:
                    message = f"{store}: has {len(known):,} customers"
                    hint = "say whose transactions: --customer, or --everyone"
                    raise UserError("enrich.whose", message, hint)
                given = [msgspec.structs.replace(given[0], customer=known[0])]
        changed = correct_categories(given, facts, keeper.corrections)
        echo(f"kept: {len(given):,} corrections; {changed:,} transactions changed")

    @app.command(epilog="Example: `tuppence enrich corrections --store demo > corrections.json`")
    def corrections(store: Store) -> None:
        """Print the corrections of a store as JSON, which `enrich correct --file` takes."""
        keeper = open_store(store)
        keeper.facts()
        print_json(keeper.corrections.all())

    program.add_typer(app)


def _row(
    text: str,
    type_: str,
    received: bool,
    enricher: Enricher,
    corrections: Mapping[Key, Correction],
    customer: str,
) -> list[Any]:
    """Return the cells of a text: what is found in it, and why."""
    found, why = enricher.explain(Evidence(text, None, type_, is_payment=not received))
    name, category = found.merchant, found.category
    sure = [found.merchant_confidence, found.category_confidence]
    correction = correction_for(text, corrections, customer, is_payment=not received)
    if correction is not None:
        why = "a person's correction"
        category, sure[1] = correction.category or None, 100 if correction.category else None
        if correction.merchant:
            name, sure[0] = correction.merchant, 100
    shares = [None if one is None else one / 100 for one in sure]
    return [masked(text), name, shares[0], category, shares[1], why]


def _correction(
    text: str | None, category: str | None, merchant: str, customer: str | None, *, everyone: bool
) -> Correction:
    """Return the correction that options describe.

    Raises:
        UserError: They do not describe one.
    """
    if text is None or category is None or (customer is not None and everyone):
        message = "a correction needs a text, --category, and one of --customer and --everyone"
        raise UserError("enrich.incomplete", message, "tuppence enrich correct --help")
    named = "" if category == "none" else category
    return checked(Correction(text, named, merchant, customer or EVERYONE))


def _lines(file: Path) -> list[str]:
    try:
        lines = read_bytes(file, MAX_BYTES).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise UserError("file.encoding", f"{file}: is not UTF-8 text", "save it as UTF-8") from None
    found = [line for line in lines if line.strip()]
    if len(found) > MAX_LINES:
        message = f"{file}: more than {MAX_LINES:,} lines"
        raise UserError("enrich.too-many", message, "split the file")
    return found


def _kept(store: Path | None, customer: str | None) -> tuple[Mapping[Key, Correction], str]:
    """Return the corrections of a store, and the customer for whom they are looked up.

    Raises:
        UserError: There is no such customer, or a customer is given without a store.
    """
    if store is None:
        if customer is not None:
            message = "--customer needs the store of the customer's corrections"
            raise UserError("enrich.incomplete", message, "give --store")
        return {}, EVERYONE
    keeper = open_store(store)
    known = keeper.facts().customers()["id"].to_list()
    if customer is not None and customer not in known:
        message = f"{store}: there is no customer {customer}"
        raise UserError("facts.unknown-customer", message, "tuppence results lists the customers")
    whose = known[0] if customer is None and len(known) == 1 else customer
    return by_key(keeper.corrections.all()), whose or EVERYONE


def _read(file: Path) -> list[Correction]:
    """Return the corrections of a file.

    Raises:
        UserError: `enrich corrections` has not printed it.
    """
    try:
        found = msgspec.json.decode(read_bytes(file, MAX_BYTES), type=list[Correction])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        message = f"{file}: cannot be read: {error}"
        raise UserError("enrich.file", message, "give what enrich corrections printed") from None
    if len(found) > MAX_CORRECTIONS:
        raise UserError("enrich.too-many", f"{file}: more than {MAX_CORRECTIONS:,} corrections")
    return found
