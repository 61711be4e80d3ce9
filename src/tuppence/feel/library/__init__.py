"""The built-in functions of FEEL (DMN 1.5, 10.3.4), one module per group."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from tuppence.feel.library import (
    contexts,
    conversion,
    lists,
    numeric,
    ranges,
    strings,
    temporal,
)
from tuppence.feel.library.builtin import Builtin

BUILTINS: Final[Mapping[str, Builtin]] = MappingProxyType(
    {
        function.name: function
        for group in (contexts, conversion, lists, numeric, ranges, strings, temporal)
        for function in group.FUNCTIONS
    }
)
"""All built-in functions by name."""
