"""The commands `tuppence prove` and `tuppence verify`."""

from pathlib import Path
from typing import Annotated

import typer

import tuppence
from tuppence.bootstrap.service_stores import ruleset_store
from tuppence.bootstrap.store import open_store
from tuppence.cli.output import (
    DEFAULT_PURPOSES,
    Customer,
    Purposes,
    RuleName,
    Store,
    current_date,
    echo,
    make_private,
)
from tuppence.errors import UserError
from tuppence.usecases.prove_result import MAX_BYTES, digest_of, prove_result, verify_proof


def register(app: typer.Typer) -> None:
    """Add the commands."""

    @app.command(
        epilog="Example: `tuppence prove C0000007 bank_fees --store demo --out C0000007.proof`"
    )
    def prove(
        customer: Customer,
        rule: RuleName,
        store: Store,
        out: Annotated[Path, typer.Option(help="The file to write.", show_default=False)],
        purposes: Purposes = DEFAULT_PURPOSES,
    ) -> None:
        """Write a proof of a result, which can be checked without the store.

        It has the rule, the facts that the rule reads, and the result with its reasons, so it is
        personal data: only its owner may read the file. Note the digest that is printed: whoever
        has it can tell this proof from any other.
        """
        version = tuppence.__version__
        today, wanted = current_date(), frozenset(purposes)
        proof = prove_result(open_store(store), customer, rule, wanted, today, version)
        make_private(out)
        out.write_bytes(proof)
        echo(f"wrote {out}")
        echo(f"digest {digest_of(proof)}")

    @app.command(epilog="Example: `tuppence verify C0000007.proof`")
    def verify(
        proof: Annotated[Path, typer.Argument(help="The proof.", show_default=False)],
        rulesets: Annotated[
            str,
            typer.Option(
                help="Rulesets that ran, a folder or s3://bucket/prefix/: one must have the rule.",
                show_default=False,
            ),
        ] = "",
        digest: Annotated[
            str,
            typer.Option(
                help="The digest that was printed when the proof was made.", show_default=False
            ),
        ] = "",
    ) -> None:
        """Check a proof: that no byte was changed, and that its result follows.

        The rule is evaluated again by the reference interpreter, over the facts in the proof, and
        must give the same result for the same reasons. A proof alone does not show that the facts
        are true or that the rule ran: compare the digest, and give the rulesets.
        """
        content = _read(proof)
        kept = ruleset_store(rulesets) if rulesets else None
        found = verify_proof(content, kept, digest)
        state, score = found.result["state"].replace("_", " "), found.result["score"]
        told = state if score is None else f"{state} with a score of {score}"
        echo(f"the proof holds: {found.rule.id} for {found.customer} on {found.as_of}: {told}")
        echo(f"digest {digest_of(content)}{', as it was told' if digest else ''}")
        if kept is not None:
            echo(f"ruleset {found.ruleset} has the rule")


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        message = f"{path}: cannot be read: {error.strerror}"
        raise UserError(
            "proof.missing", message, "give the file that tuppence prove has written"
        ) from None
