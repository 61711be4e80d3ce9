"""The commands and their options."""

from collections.abc import Iterator

import typer

from tuppence.cli.app import build


def commands_page() -> Iterator[str]:
    """Yield every command with its options."""
    yield "# Commands\n"
    root = typer.main.get_command(build())
    yield from _describe(root, "tuppence", typer.Context(root, info_name="tuppence"))


def _describe(command: object, name: str, context: typer.Context) -> Iterator[str]:
    children = getattr(command, "commands", {})
    if children:
        for child, found in children.items():
            yield from _describe(found, f"{name} {child}", context)
        return
    yield f"## {name}\n"
    yield (getattr(command, "help", "") or "").strip() + "\n"
    yield "| option | | |\n|---|---|---|"
    for parameter in getattr(command, "params", []):
        if parameter.name == "help":
            continue
        names = ", ".join(f"`{option}`" for option in parameter.opts)
        if parameter.param_type_name == "argument":
            names = f"`{parameter.name.upper()}`"
        extra = "required" if parameter.required else ""
        default = parameter.get_default(context)
        if not parameter.required and default and parameter.name != "processes":
            written = ", ".join(default) if isinstance(default, list) else default
            extra = f"default {written}"
        meaning = getattr(parameter, "help", None)
        if not meaning:
            raise ValueError(f"{name}: {names} has no help")
        yield f"| {names} | {extra} | {meaning} |"
    yield f"\n{getattr(command, 'epilog', '') or ''}\n"
