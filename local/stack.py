"""Runs PostgreSQL, the SQL relay, rules engines and a load balancer on loopback."""

import contextlib
import secrets
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx2

from local.servers import PATIENCE, MissingError, Server, free_port, postgresql
from tuppence.bootstrap.database import make_login, migrate_database
from tuppence.bootstrap.services import add_caller
from tuppence.results.result import CustomerResults, Result

TUPPENCE: Final = (sys.executable, "-m", "tuppence")
OF_MANY: Final = frozenset(
    {"price_rise_above_others", "price_rise_of_many", "spending_above_peers"}
)
"""Rules of the catalogue that read a census, which services do not have."""


@dataclass
class Platform:
    """The services and everything that they need, in a folder; a context manager.

    Attributes:
        folder: An empty folder for its files.
        engine_count: Number of engines.
        rulesets_at: Address of the rulesets, if not in the folder.
        results_at: Address of the results, if not in the folder.
        environment: Environment variables added to those of the engines.
        seconds: Time-out of a request and of the queries that it needs; if omitted, the default
            of the services.
        database: The owner's address of the database.
        postgres: The server of the database.
        relay: The SQL relay.
        engines: The rules engines.
        balancer: The load balancer in front of them; None if haproxy is not installed.
        token: Token for callers of the engines.
    """

    folder: Path
    engine_count: int = 3
    rulesets_at: str = ""
    results_at: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    seconds: float | None = None
    database: str = ""
    postgres: Server = field(init=False)
    relay: Server = field(init=False)
    engines: list[Server] = field(default_factory=list)
    balancer: Server | None = None
    token: str = ""
    _open: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    @property
    def rulesets(self) -> Path:
        """The folder of published rulesets."""
        return self.folder / "rulesets"

    @property
    def results(self) -> Path:
        """The file in which the engines keep results."""
        return self.folder / "results.sqlite"

    @property
    def url(self) -> str:
        """The address for requests for evaluations."""
        return address(self.balancer or self.engines[0])

    def __enter__(self) -> "Platform":
        try:
            self._start()
        except BaseException:
            self._open.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def wait_until_ready(self) -> None:
        """Wait until the load balancer has seen that every engine serves a ruleset."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            asked = [*(address(engine) for engine in self.engines), self.url]
            if {httpx2.get(f"{a}/readyz", timeout=PATIENCE).status_code for a in asked} == {200}:
                return
            time.sleep(0.1)
        raise RuntimeError("the engines did not become ready: see their logs")

    def _start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.postgres, self.database = self._open.enter_context(postgresql())
        migrate_database(self.database, "head")
        login = self._login("relay", ["reader"])
        relay_token = self.folder / "relay.token"
        relay_token.write_text(add_caller("engines", self.folder / "relay.callers"))
        relay_token.chmod(0o600)
        self.token = add_caller("local", self.folder / "engine.callers")
        engine_token = self.folder / "engine.token"
        engine_token.write_text(self.token)
        engine_token.chmod(0o600)
        relay_limits, engine_limits = self._limits()
        relay_options: list[str | Path] = [
            "--callers",
            self.folder / "relay.callers",
            *relay_limits,
        ]
        self.relay = self._service("sql-relay", relay_options, {"TUPPENCE_DATABASE": login})
        self._open.enter_context(self.relay)
        for number in range(1, self.engine_count + 1):
            options: list[str | Path] = [
                *("--relay", address(self.relay), "--relay-token", relay_token),
                *("--rulesets", self.rulesets_at or self.rulesets),
                *("--results", self.results_at or self.results),
                *("--callers", self.folder / "engine.callers"),
                *engine_limits,
            ]
            engine = self._service("rules-engine", options, self.environment, f"-{number}")
            self.engines.append(engine)
        for engine in self.engines:  # they start in parallel
            self._open.callback(engine.stop)
            engine.begin()
        for engine in self.engines:
            engine.wait()
        with contextlib.suppress(MissingError):
            self.balancer = balancer(self.engines, self.folder)
            self._open.enter_context(self.balancer)

    def person(self, name: str) -> str:
        """Return the database's address for a login that may author, review and publish."""
        return self._login(name, ["author", "reviewer", "publisher"])

    def _login(self, name: str, roles: Sequence[str]) -> str:
        password = secrets.token_hex(16)
        make_login(self.database, name, password, roles)
        where = f"127.0.0.1:{self.postgres.port}/postgres?connect_timeout={PATIENCE:.0f}"
        return f"postgresql://{name}:{password}@{where}"

    def _limits(self) -> tuple[list[str], list[str]]:
        """Return the options of the relay and of an engine for how long a request may take."""
        if self.seconds is None:
            return [], []
        seconds = str(self.seconds)
        return ["--timeout", seconds, "--query-seconds", seconds], ["--seconds", seconds]

    def _service(
        self,
        name: str,
        options: Sequence[str | Path],
        environment: dict[str, str],
        suffix: str = "",
    ) -> Server:
        port = free_port()
        command = [*TUPPENCE, "serve", name, *options, "--port", str(port)]
        return Server(command, port, self.folder / f"{name}{suffix}.log", environment)


def without_census(row: CustomerResults) -> list[Result]:
    """Return the results of a customer, except for those of rules that read a census."""
    return [result for result in row.results if result.rule_id not in OF_MANY]


def address(server: Server) -> str:
    """Return the address of a server of this machine."""
    return f"http://127.0.0.1:{server.port}"


def balancer(engines: Sequence[Server], folder: Path) -> Server:
    """Return a haproxy in front of engines.

    Raises:
        MissingError: haproxy is not installed.
    """
    program = shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    if program is None:
        raise MissingError("haproxy is not installed: run `apt-get install haproxy`")
    port = free_port()
    servers = "\n".join(
        f"    server engine{number} 127.0.0.1:{engine.port}"
        for number, engine in enumerate(engines, 1)
    )
    template = Path(__file__).with_name("haproxy.cfg").read_text()
    configuration = folder / "haproxy.cfg"
    configuration.write_text(template.format(port=port, servers=servers))
    return Server([program, "-db", "-f", configuration], port, folder / "haproxy.log")
