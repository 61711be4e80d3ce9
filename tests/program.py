"""The program in one process that runs command after command, as starting Python takes longest.

Scripts start `tuppence` as usual: a client of that name hands each command to the process.

    folder/request   the command: its folder and its arguments, with a zero after each
    folder/out, err  what it prints
    folder/status    its exit status
"""

import contextlib
import os
import subprocess
import sys
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from tuppence.cli import main

CLIENT: Final = """#!/bin/bash
exec 9> "{folder}/lock"; flock 9
printf '%s\\0' "$PWD" "$@" > "{folder}/request"
read -r status < "{folder}/status"
cat "{folder}/out"; cat "{folder}/err" >&2
exit "$status"
"""


@contextlib.contextmanager
def program(folder: Path, environment: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Start the process, and write its client.

    Args:
        folder: An empty folder; the client is `venv/bin/tuppence` in it, beside a `python`.
        environment: Variables for all commands, added to those of this process.
    """
    for name in ("request", "status"):
        os.mkfifo(folder / name)
    client = folder / "venv/bin/tuppence"
    client.parent.mkdir(parents=True)
    client.write_text(CLIENT.format(folder=folder))
    client.chmod(0o755)
    (client.parent / "python").symlink_to(sys.executable)
    server = subprocess.Popen([sys.executable, __file__, folder], env={**os.environ, **environment})
    try:
        yield server
    finally:
        server.kill()
        server.wait()


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


def serve(folder: Path) -> None:
    """Run commands for ever."""
    while True:
        where, *arguments = (folder / "request").read_text().split("\0")[:-1]
        os.chdir(where)
        for number, name in ((1, "out"), (2, "err")):
            written = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(written, number)
            os.close(written)
        status = status_of(arguments)
        sys.stdout.flush()
        sys.stderr.flush()
        (folder / "status").write_text(f"{status}\n")


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
