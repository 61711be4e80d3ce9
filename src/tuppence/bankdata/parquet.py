"""Reads Parquet files in a process of its own, because a damaged one can end the process.

Started as a program, it reads Parquet from its input and writes Arrow IPC to its output.
"""

import contextlib
import io
import subprocess
import sys
from pathlib import Path
from typing import Final

import polars as pl

from tuppence.errors import UserError

MAX_SECONDS: Final = 600
"""Seconds that reading a file may take; reading some damaged files never ends."""
_REFUSED: Final = 3
"""Status of the process where the file is not Parquet."""


def read_parquet(path: Path, data: bytes) -> pl.DataFrame:
    """Return the table of a Parquet file.

    Args:
        path: The file, for messages.
        data: Its content.

    Raises:
        UserError: It is not Parquet, or is damaged.
    """
    try:
        done = subprocess.run(  # noqa: S603 - this program
            [sys.executable, "-m", __name__],
            input=data,
            capture_output=True,
            check=False,
            timeout=MAX_SECONDS,
        )
    except subprocess.TimeoutExpired:
        message = f"{path}: this Parquet file cannot be read within {MAX_SECONDS} seconds"
        raise UserError("file.parquet", message, "is it damaged?") from None
    if done.returncode == _REFUSED:
        problem = done.stderr.decode(errors="replace").strip()
        raise UserError("file.parquet", f"{path}: not a Parquet file: {problem}")
    if done.returncode:
        raise UserError("file.parquet", f"{path}: this Parquet file is damaged")
    return pl.read_ipc(done.stdout)


def _main() -> int:
    """Convert the input; a crash of this process is what `read_parquet` takes for damage."""
    _leave_no_core()
    buffer = io.BytesIO()
    try:
        pl.read_parquet(sys.stdin.buffer.read()).write_ipc(buffer)
    except (pl.exceptions.PolarsError, OSError, ValueError) as error:
        sys.stderr.write(str(error))
        return _REFUSED
    sys.stdout.buffer.write(buffer.getvalue())
    return 0


def _leave_no_core() -> None:
    """Have the system write no memory to the disk if the process crashes, where it might."""
    with contextlib.suppress(ImportError):
        import resource  # noqa: PLC0415 - is missing on Windows

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    sys.exit(_main())
