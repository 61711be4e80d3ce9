"""Tuppence: bank data in, personal money insights out.

The names in `__all__` and the package `tuppence.feel` are the public interface, described in
docs/reference/python.md. They are loaded at their first use. Everything else is internal.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tuppence.api import (
        Facts,
        Insight,
        Result,
        Rules,
        Store,
        evaluate,
        explain,
        facts_from,
        open_store,
        rank,
        read_rules,
    )
    from tuppence.errors import UserError

    __version__: str

__all__ = [
    "Facts",
    "Insight",
    "Result",
    "Rules",
    "Store",
    "UserError",
    "__version__",
    "evaluate",
    "explain",
    "facts_from",
    "open_store",
    "rank",
    "read_rules",
]

if not TYPE_CHECKING:  # type checkers would accept any name

    def __getattr__(name: str) -> Any:
        """Load a name of the public interface when it is first used (PEP 562)."""
        if name not in __all__:
            raise AttributeError(f"module 'tuppence' has no attribute {name!r}")
        if name == "__version__":
            return importlib.import_module("importlib.metadata").version("tuppence")
        module = "tuppence.errors" if name == "UserError" else "tuppence.api"
        return getattr(importlib.import_module(module), name)
