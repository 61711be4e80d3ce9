"""Functions over arrays, compiled to machine code where numba is installed."""

import functools
from collections.abc import Callable
from typing import Any


@functools.cache
def compiled(function: Callable[..., Any]) -> Callable[..., Any] | None:
    """The function as machine code, which runs without the interpreter's lock.

    It is compiled at its first call and kept beside its source, or in the user's cache folder where
    that cannot be written to; later processes load it.

    Returns:
        None where numba is not installed.
    """
    try:
        import numba
    except ImportError:
        return None
    make = numba.njit(nogil=True, cache=True, error_model="numpy")
    made: Callable[..., Any] = make(function)
    return made


def callable_when_compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, which compiled functions may call, and compile with themselves."""
    try:
        from numba.extending import register_jitable
    except ImportError:
        return function
    made: Callable[..., Any] = register_jitable(error_model="numpy")(function)
    return made
