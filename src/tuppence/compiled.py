"""Loops over arrays, compiled to machine code by numba at their first call.

`loop` marks a function that Python calls, and `part_of_loops` one that loops call. Machine code is
kept in a cache folder, so that later processes load it. To debug a loop step by step set
NUMBA_DISABLE_JIT=1 in the environment: numba then runs the plain functions.
"""

import contextlib
import functools
import hashlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Final, ParamSpec, TypeVar

LOOP_SOURCES: Final = (
    "compiled.py",
    "derived/*.py",
    "engine/**/*.py",
    "facts/*.py",
    "plan/**/*.py",
    "relevance/*.py",
    "results/*.py",
    "usecases/feed_effect.py",
)
"""Files that define loops, the functions that they call, and the constants that they use."""

P = ParamSpec("P")
F = TypeVar("F", bound=Callable[..., Any])

_PARTS: Final[list[Callable[..., Any]]] = []
"""Parts of loops that numba does not know yet: importing it takes longer than most commands."""
_COMPILING: Final = threading.Lock()
_INTERPRETED: Final = ContextVar("interpreted", default=False)


def loop(function: Callable[P, None]) -> Callable[P, None]:
    """Compile a function over arrays, and named tuples of arrays, at its first call.

    The function writes to arrays among its arguments, and runs without the interpreter's lock.
    """

    @functools.wraps(function)
    def call(*arguments: P.args, **named: P.kwargs) -> None:
        is_plain = _INTERPRETED.get() and "numba" not in sys.modules
        (function if is_plain else _compiled(function))(*arguments, **named)

    return call


@contextlib.contextmanager
def interpreted() -> Iterator[None]:
    """Run the loops in the block as plain Python, unless the compiler is loaded already.

    It suits the facts of one customer, for which loading the compiler takes ten times as long.
    """
    token = _INTERPRETED.set(True)
    try:
        yield
    finally:
        _INTERPRETED.reset(token)


def part_of_loops(function: F) -> F:
    """Mark a function that loops call; it is compiled together with them."""
    _PARTS.append(function)
    return function


@part_of_loops
def sort(values: Any, first: int, last: int) -> None:
    """Sort the values from `first` up to `last`, by Shell's method."""
    gap = 1
    while gap < (last - first) // 3:
        gap = 3 * gap + 1
    while gap > 0:
        for i in range(first + gap, last):
            value = values[i]
            j = i
            while j >= first + gap and values[j - gap] > value:
                values[j] = values[j - gap]
                j -= gap
            values[j] = value
        gap //= 3


@functools.cache
def _compiled(function: Callable[..., None]) -> Callable[..., None]:
    import numba  # noqa: PLC0415 - the import takes a second and is not always needed
    import numba.extending  # noqa: PLC0415

    config: Any = numba.config
    with _COMPILING:
        while _PARTS:
            numba.extending.register_jitable(error_model="numpy", forceinline=True)(_PARTS.pop())
        before = config.CACHE_DIR
        folder = _cache_folder(Path(before) if before else None)
        config.CACHE_DIR = str(folder)
        try:
            # Without numba's runtime, whose reference counts took up to nine tenths of the time: a
            # loop makes no arrays, and its caller holds those that it is given.
            options: dict[str, Any] = {"nogil": True, "cache": True, "_nrt": False}
            made: Callable[..., None] = numba.njit(error_model="numpy", **options)(function)
        finally:
            config.CACHE_DIR = before
    if not config.DISABLE_JIT:
        _compile_once(made, folder)
    return made


def _compile_once(made: Any, folder: Path) -> None:
    """Have processes that need a loop at the same time wait for the first one to compile it."""
    import filelock  # noqa: PLC0415 - few commands get here

    compile_or_load = made.compile

    def one_by_one(signature: Any) -> Any:
        folder.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(folder / "lock"):
            return compile_or_load(signature)

    made.compile = one_by_one


def _cache_folder(base: Path | None) -> Path:
    """Return the folder for machine code of the current sources.

    Numba detects changes only of the file that defines a loop, by time and size, but not of the
    functions that the loop calls or of the constants that it uses. The name of the folder depends
    on all of them.
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
    """Return a digest of all sources of the package that loops depend on."""
    digest = hashlib.blake2b(digest_size=8)
    for pattern in LOOP_SOURCES:
        for path in sorted(package.glob(pattern)):
            digest.update(path.read_bytes())
    return digest.hexdigest()
