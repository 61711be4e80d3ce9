"""Servers that Tuppence works with, started on loopback for as long as they are needed."""

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final

PATIENCE: Final = 60.0
"""Seconds that a server may take to start or to stop."""


class MissingError(Exception):
    """A program that is not on this machine."""


def free_port() -> int:
    """A port of loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Server:
    """A process with a log, which is stopped by its id.

    Args:
        command: To start it.
        port: Where it will listen.
        log: A file for what it prints.
        environment: Added to this process's.
        user: Who runs it, if not who runs this.
        stop_signal: What ends it in good order.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        port: int,
        log: Path,
        environment: dict[str, str] | None = None,
        user: str | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> None:
        self.port = port
        self.log = log
        self._command = [str(part) for part in command]
        self._environment = {**os.environ, **(environment or {})}
        self._user = user
        self._stop_signal = stop_signal
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it listens."""
        self.begin()
        self.wait()

    def begin(self) -> None:
        """Start it."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - the command is ours
                self._command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=self._user,
                extra_groups=[] if self._user else None,
            )

    def wait(self) -> None:
        """Wait until it listens.

        Raises:
            RuntimeError: It ended, or takes too long; with the end of its log.
        """
        assert self._process is not None  # noqa: S101 - it was begun
        try:
            _wait_for_port(self.port, self._process, self.log)
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """Have it end in good order."""
        if self._process is not None:
            self._process.send_signal(self._stop_signal)
            try:
                self._process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.kill()
            self._process = None

    def kill(self) -> None:
        """End it at once, as a loss of power would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(PATIENCE)
            self._process = None

    @property
    def running(self) -> bool:
        """Whether it is still there."""
        return self._process is not None and self._process.poll() is None

    def __enter__(self) -> "Server":
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def _wait_for_port(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise RuntimeError(f"{process.args!r} did not start:\n{log.read_text()[-2000:]}")


@contextlib.contextmanager
def postgresql(folder: Path) -> Iterator[tuple[Server, str]]:
    """A PostgreSQL with an empty database, and its address with the owner's password.

    Args:
        folder: An empty folder for its files.

    Raises:
        MissingError: There is no PostgreSQL on this machine.
    """
    binaries = _postgresql_binaries()
    user = _unprivileged() if os.getuid() == 0 else None  # PostgreSQL refuses to run as root
    folder.mkdir(parents=True, exist_ok=True)
    password = secrets.token_hex(16)
    secret = folder / "password"
    secret.write_text(password)
    if user:
        shutil.chown(folder, user)
        shutil.chown(secret, user)
        for parent in folder.parents:  # it must be able to reach its folder
            if parent.stat().st_uid == 0 and not parent.stat().st_mode & 0o001:
                parent.chmod(parent.stat().st_mode | 0o011)
    data, port = folder / "data", free_port()
    subprocess.run(  # noqa: S603 - the command is ours
        [
            *(binaries / "initdb", "--pgdata", data, "--username", "owner", "--encoding", "UTF8"),
            *("--locale", "C.UTF-8", "--auth", "scram-sha-256", "--pwfile", secret, "--no-sync"),
        ],
        check=True,
        stdout=subprocess.DEVNULL,
        user=user,
        extra_groups=[] if user else None,
        cwd=folder,
    )
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": "",
        "max_wal_size": "4GB",
        "shared_buffers": "256MB",
    }
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    server = Server(
        [binaries / "postgres", "-D", data, *options],
        port,
        folder / "log",
        user=user,
        stop_signal=signal.SIGINT,
    )
    (folder / "log").touch()
    with server:
        yield server, f"postgresql://owner:{password}@127.0.0.1:{port}/postgres"


def _postgresql_binaries() -> Path:
    """The newest installation of PostgreSQL: Debian's, one on the path, or a wheel's."""
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name))
    on_path = shutil.which("initdb")
    places += [Path(on_path).parent] if on_path else []
    for place in reversed(places):
        if (place / "initdb").exists() and (place / "postgres").exists():
            return place
    raise MissingError("there is no PostgreSQL server on this machine: apt-get install postgresql")


def _unprivileged() -> str:
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"
