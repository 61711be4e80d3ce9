"""Optional packages, and the error that names what to install."""

import contextlib
from collections.abc import Iterator

from tuppence.errors import UserError


@contextlib.contextmanager
def extra(name: str) -> Iterator[None]:
    """Turn a failed import of an optional package into an error that names its extra."""
    try:
        yield
    except ModuleNotFoundError as error:
        message = f"this needs the package {error.name}, which is not installed"
        raise UserError("install.extra", message, f"pip install 'tuppence[{name}]'") from None
