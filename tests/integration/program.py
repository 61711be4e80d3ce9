"""The program in one process that runs command after command: `python program.py FOLDER`.

A command is written to FOLDER/request: its folder and its arguments, with a zero after each. What
it prints is then in `out` and `err`, and its status comes from FOLDER/status.
"""

import os
import sys
import traceback
from pathlib import Path

from tuppence.cli import main


def status_of(arguments: list[str]) -> int:
    """Run a command, and return its status."""
    sys.argv = ["tuppence", *arguments]
    try:
        main()
    except SystemExit as ended:
        return int(ended.code or 0)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def serve(served: Path) -> None:
    """Run commands for ever."""
    while True:
        folder, *arguments = (served / "request").read_text().split("\0")[:-1]
        os.chdir(folder)
        for number, name in ((1, "out"), (2, "err")):
            written = os.open(served / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(written, number)
            os.close(written)
        status = status_of(arguments)
        sys.stdout.flush()
        sys.stderr.flush()
        (served / "status").write_text(f"{status}\n")


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
