"""Loops over arrays, compiled to machine code where numba is installed.

A loop is a plain function over arrays, and arrays in named tuples, that fills the arrays it is
given last. Without a compiler it runs as it is, with lists in the place of arrays, which Python is
quicker with; so a loop uses nothing that the two do not share.
"""

import functools
import hashlib
import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np

LOOP_SOURCES: Final = ("compiled.py", "facts/*.py", "engine/*.py", "plan/*.py", "results/*.py")
"""Where loops, what they call and the constants they use stand."""

F = TypeVar("F", bound=Callable[..., Any])
HAS_COMPILER = importlib.util.find_spec("numba") is not None


class Loops:
    """Calls loops.

    Args:
        use_compiler: Whether to compile them, where that can be done.

    Attributes:
        compiles: Whether they are compiled.
    """

    def __init__(self, *, use_compiler: bool = True) -> None:
        self.compiles = use_compiler and HAS_COMPILER

    def prepared(self, value: Any) -> Any:
        """Arrays, however deep in tuples, as loops want them; done beforehand it is done once."""
        return value if self.compiles else _lists(value)

    def call(
        self,
        function: Callable[..., None],
        arguments: tuple[Any, ...],
        out: tuple[np.ndarray[Any, Any], ...],
    ) -> None:
        """Call a loop with arguments and the arrays that it fills."""
        if self.compiles:
            _compiled(function)(*arguments, *out)
            return
        filled = [array.tolist() for array in out]
        function(*_lists(arguments), *filled)
        for array, values in zip(out, filled, strict=True):
            if array.size:
                array[...] = values


@functools.cache
def _compiled(function: Callable[..., None]) -> Callable[..., None]:
    """The function as machine code, which runs without the interpreter's lock.

    It is compiled at its first call and kept in a folder that later processes load it from.
    """
    import numba  # noqa: PLC0415 - half a second, and only where something is computed

    config: Any = numba.config
    before = config.CACHE_DIR
    config.CACHE_DIR = str(_cache_folder(Path(before) if before else None))
    try:
        make = numba.njit(nogil=True, cache=True, error_model="numpy")
        made: Callable[..., None] = make(function)
    finally:
        config.CACHE_DIR = before
    return made


def _cache_folder(base: Path | None) -> Path:
    """Where machine code of the present sources is kept.

    The compiler looks at the file of a loop only, by its time and size, and not at what else the
    loop calls and which constants it uses; so the folder is named by the content of all of them.
    """
    package = Path(__file__).parent
    if base is None:
        beside = package / "__pycache__"
        if os.access(package, os.W_OK):
            beside.mkdir(exist_ok=True)
        own = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tuppence"
        base = beside if os.access(beside, os.W_OK) else own
    return base / f"loops-{source_digest(package)}"


def source_digest(package: Path) -> str:
    """Names the sources of the package that loops can be made of."""
    digest = hashlib.blake2b(digest_size=8)
    for name in LOOP_SOURCES:
        for path in sorted(package.glob(name)):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def part_of_loops(function: F) -> F:
    """Decorates a function that loops call; it is compiled with them."""
    if not HAS_COMPILER:  # pragma: no cover - the tests have it, and ask for plain loops
        return function
    from numba.extending import register_jitable  # noqa: PLC0415 - as above

    made: F = register_jitable(error_model="numpy")(function)
    return made


def _lists(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, tuple):
        parts = [_lists(part) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    return value
