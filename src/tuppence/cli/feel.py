"""The command `tuppence feel`."""

import contextlib
import json
import os
import readline
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from tuppence.cli.output import console, echo, error_console
from tuppence.errors import UserError
from tuppence.feel import FeelSyntaxError, Outcome, Step, feel_text, format_text, inspect, trace
from tuppence.feel.library import BUILTINS
from tuppence.structured import read_text

HELP = """An expression: its value is shown.   name := expression: the value is kept.
:trace shows the value of every part, or stops that.   :names lists what is kept.   :quit ends."""


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(epilog="Example: `tuppence feel 'sum([1, 2, 3]) / 2'`")
    def feel(
        expression: Annotated[
            str | None, typer.Argument(help="An expression; a prompt opens if it is omitted.")
        ] = None,
        context: Annotated[
            Path | None, typer.Option(help="Names and values: a JSON object, or a FEEL context.")
        ] = None,
        trace: Annotated[
            bool, typer.Option("--trace", help="Show the value of every part.")
        ] = False,
        layout: Annotated[
            bool, typer.Option("--layout", help="Show the expression, formatted.")
        ] = False,
    ) -> None:
        """Evaluate an expression of the rule language."""
        names = _context(context) if context else {}
        if expression is None:
            _prompt(names, trace=trace)
        elif layout:
            echo(format_text(expression, {*BUILTINS, *names}))
        else:
            _show(expression, names, traced=trace)


def _context(path: Path) -> dict[str, Any]:
    text = read_text(path)
    if path.suffix == ".json":
        try:
            value = json.loads(
                text,
                parse_float=Decimal,
                parse_int=Decimal,
                parse_constant=Decimal,
                object_pairs_hook=_unique,
            )
        except json.JSONDecodeError as error:
            place = f"{path}:{error.lineno}:{error.colno}"
            raise UserError("feel.context", f"{place}: not JSON: {error.msg}") from None
        except RecursionError:
            raise UserError("feel.context", f"{path}: it is nested too deeply") from None
        except ArithmeticError:
            raise UserError("feel.context", f"{path}: a number is too large") from None
    else:
        value = inspect(text).value
    if not isinstance(value, dict):
        message = f"{path}: this does not hold names and values"
        raise UserError("feel.context", message, 'write {name: value} or {"name": value}')
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = dict(pairs)
    if len(names) < len(pairs):
        repeated = next(name for name, count in Counter(n for n, _ in pairs).items() if count > 1)
        raise UserError("feel.context", f"{repeated} is given twice", "give each name once")
    return names


def _show(expression: str, names: dict[str, Any], *, traced: bool) -> Any:
    if traced:
        outcome, steps = trace(expression, names)
        _show_steps(steps)
    else:
        outcome = inspect(expression, names)
    echo(feel_text(outcome.value))
    _show_findings(outcome)
    return outcome.value


def _show_steps(steps: tuple[Step, ...]) -> None:
    out = console()
    around: list[Step] = []
    for step in steps:
        while around and around[-1].span.end <= step.span.start:
            around.pop()
        text = " ".join(step.text.split())
        shown = Text.assemble("  " * len(around), text, " = ", (feel_text(step.value), "bold"))
        if text != feel_text(step.value):
            out.print(shown, soft_wrap=True)
        around.append(step)


def _show_findings(outcome: Outcome) -> None:
    for found in outcome.diagnostics:
        line = f"{found.code}: {found.message}"
        error_console().print(Text(line, "yellow"), soft_wrap=True)


def _prompt(names: dict[str, Any], *, trace: bool) -> None:
    """Read, evaluate, print, until the end of the input."""
    history = _history()
    with contextlib.suppress(OSError):
        readline.read_history_file(history)
    echo("FEEL. :help tells more, :quit ends.")
    while True:
        try:
            line = input("feel> ").strip()
        except (EOFError, KeyboardInterrupt):
            echo("")
            break
        if line == ":quit":
            break
        trace = _answer(line, names, trace=trace)
    with contextlib.suppress(OSError):
        history.parent.mkdir(parents=True, exist_ok=True)
        readline.write_history_file(history)


def _answer(line: str, names: dict[str, Any], *, trace: bool) -> bool:
    """Evaluate a line or run its command; return whether to trace from now on."""
    name, defines, expression = line.partition(":=")
    if line == ":trace":
        echo("off" if trace else "on")
        return not trace
    if line == ":names":
        echo("\n".join(f"{n} = {feel_text(v)}" for n, v in names.items()) or "none")
    elif line.startswith(":"):
        echo(HELP)
    elif line:
        try:
            value = _show(expression if defines else line, names, traced=trace)
        except FeelSyntaxError as error:
            echo("\n".join([*error.details, error.message, error.hint]).rstrip(), err=True)
        else:
            if defines:
                names[name.strip()] = value
    return trace


def _history() -> Path:
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state"
    return Path(state) / "tuppence/feel_history"
