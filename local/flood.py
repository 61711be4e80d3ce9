"""`python -m local.flood`: measure how a thousand hostile connections affect good callers.

It starts the services, sends good requests to an engine and to the relay, first alone and then
beside hostile connections, and prints both response times in one table, with the resources that the
services hold afterwards.
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import httpx2

from local.__main__ import DAY, publish_catalogue, say, tuppence
from local.servers import Server
from local.stack import Platform, address
from tuppence.bootstrap.services import add_caller

CALLERS: Final = 4
"""Number of good callers that keep a connection; as many again open one for each request."""
PAUSE_SECONDS: Final = 0.05
CUSTOMERS: Final = 500
AGAIN_SECONDS: Final = 5.0
"""Seconds after which a hostile connection that was closed is opened again."""
SERVICES: Final = ("engine", "relay")
KINDS: Final = (
    "half-open",
    "slow headers",
    "slow body",
    "endless body",
    "garbage",
    "large headers",
    "reads nothing",
    "vanishes",
)


def main() -> int:
    """Measure, and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--many", type=int, default=10_000, help="half-open connections, once")
    parser.add_argument("--attack", nargs=4, metavar=("PORT", "NUMBER", "SECONDS", "KINDS"))
    options = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if options.attack:
        port, number, seconds, kinds = options.attack
        request = sys.stdin.buffer.read()
        outcome = asyncio.run(_attack(int(port), request, int(number), float(seconds), kinds))
        print(json.dumps(outcome))
        return 0
    with tempfile.TemporaryDirectory(prefix="tuppence-") as folder:
        say("starting the services")
        services = Path(folder) / "services"
        services.mkdir()
        # Hostile callers who have a token: they use their own, and so only their own share.
        tokens = [add_caller("hostile", services / f"{name}.callers") for name in SERVICES]
        with Platform(services, 1) as platform:
            store = Path(folder) / "store"
            tuppence("synth", "--store", store, "--customers", CUSTOMERS)
            consent = ("--consent-from", "2026-01-01", "--consent-until", "2027-01-01")
            tuppence("load", "--store", store, "--to", platform.database, *consent)
            publish_catalogue(platform)
            platform.wait_until_ready()
            say("measuring")
            _measure(platform, tokens, options.connections, options.seconds, options.many)
    return 0


def _measure(
    platform: Platform, hostile_tokens: Sequence[str], number: int, seconds: float, many: int
) -> None:
    customers = [f"C{n:07d}" for n in range(1, CUSTOMERS)]
    servers = (platform.engines[0], platform.relay)
    tokens = (platform.token, (platform.folder / "relay.token").read_text())
    paths = ("/v1/evaluations", "/v1/facts")
    for name, server, token, hostile_token, path in zip(
        SERVICES, servers, tokens, hostile_tokens, paths, strict=True
    ):
        body: dict[str, object] = {"as_of": DAY}
        if name == "engine":
            body |= {"run_id": "flood", "results": True}
        asked = _request(path, token, {**body, "customers": customers[:1]})
        hostile = _request(path, hostile_token, {**body, "customers": customers[:100]})
        print(f"\n{name}: {_held(server)}", flush=True)
        print("| | requests | not good | median ms | p99 ms |\n|---|---|---|---|---|")
        asyncio.run(_good(server.port, asked, 3.0))
        alone = asyncio.run(_good(server.port, asked, seconds / 4))
        _print("alone", alone)
        for title, connections, kinds in (
            (f"beside {number:,} hostile connections", number, ",".join(KINDS)),
            (f"beside {many:,} half-open ones", many, "half-open"),
        ):
            command = [sys.executable, "-m", "local.flood", "--attack", str(server.port)]
            with subprocess.Popen(
                [*command, str(connections), str(seconds), kinds],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            ) as attack:
                assert attack.stdin is not None
                attack.stdin.write(hostile)
                attack.stdin.close()
                time.sleep(3)  # let the attack begin
                times = asyncio.run(_good(server.port, asked, seconds - 5))
                during = _held(server)
                assert attack.stdout is not None
                outcome = attack.stdout.read().decode().strip()
            _print(title, times)
            ratios = (_quantile(times, q) / _quantile(alone, q) for q in (50, 99))
            print(f"  {title}: median x{next(ratios):.2f}, p99 x{next(ratios):.2f}; {during}")
            print(f"  the hostile side: {outcome}", flush=True)
        time.sleep(5)
        print(f"afterwards: {_held(server)}", flush=True)


def _request(path: str, token: str, body: object) -> bytes:
    text = json.dumps(body)
    return (
        f"POST {path} HTTP/1.1\r\nHost: service\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n{text}"
    ).encode()


def _held(server: Server) -> str:
    """Return the files, memory and database connections that a service holds now, in words."""
    process = Path(f"/proc/{server.pid}")
    files = len(list((process / "fd").iterdir()))
    found = re.search(r"VmRSS:\s+(\d+)", (process / "status").read_text())
    assert found is not None
    text = httpx2.get(f"{address(server)}/metrics", timeout=30).text
    in_use = re.search(r"connections_in_use ([\d.]+)", text)
    pool = f", {float(in_use[1]):.0f} connections to the database at work" if in_use else ""
    return f"{files} open files, {int(found[1]) // 1024} MB{pool}"


async def _good(port: int, request: bytes, seconds: float) -> list[tuple[float, bool]]:
    """Send requests for a while; return the time of each, and whether its answer was good."""
    end = time.perf_counter() + seconds
    times: list[tuple[float, bool]] = []

    async def ask_ready() -> bool:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with contextlib.closing(writer):
            writer.write(b"GET /readyz HTTP/1.1\r\nHost: service\r\n\r\n")
            return (await reader.readline()).split()[1:2] == [b"200"]

    async def caller(*, keeps: bool) -> None:
        line: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        while (began := time.perf_counter()) < end:
            good = False
            with contextlib.suppress(OSError, EOFError, TimeoutError):
                async with asyncio.timeout(30):
                    line = line or await asyncio.open_connection("127.0.0.1", port)
                    line[1].write(request)
                    good = await _answered(line[0]) and await ask_ready()
            times.append((time.perf_counter() - began, good))
            if line is not None and not (keeps and good):
                line[1].close()
                line = None
            await asyncio.sleep(PAUSE_SECONDS)
        if line is not None:
            line[1].close()

    await asyncio.gather(*(caller(keeps=number % 2 == 0) for number in range(2 * CALLERS)))
    return times


async def _answered(reader: asyncio.StreamReader) -> bool:
    """Read an answer to its end; return whether it is a good one."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = re.search(rb"content-length: (\d+)", head)
    if length:
        await reader.readexactly(int(length[1]))
    else:
        while size := int(await reader.readline(), 16):
            await reader.readexactly(size + 2)
        await reader.readline()
    return head.split()[1] == b"200"


def _print(title: str, times: Sequence[tuple[float, bool]]) -> None:
    bad = sum(not good for _, good in times)
    row = (f"{_quantile(times, q) * 1000:.1f}" for q in (50, 99))
    print(f"| {title} | {len(times):,} | {bad} | {' | '.join(row)} |", flush=True)


def _quantile(times: Sequence[tuple[float, bool]], percent: int) -> float:
    return statistics.quantiles([seconds for seconds, _ in times], n=100)[percent - 1]


async def _attack(
    port: int, request: bytes, number: int, seconds: float, kinds: str
) -> dict[str, int]:
    """Keep hostile connections open; return how often each kind was opened."""
    opened: Counter[str] = Counter()
    end = time.monotonic() + seconds
    head = b"POST /v1/evaluations HTTP/1.1\r\nHost: x\r\n"

    async def hostile(kind: str) -> None:
        while time.monotonic() < end:
            writer = None
            with contextlib.suppress(OSError):
                reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1_000)
                opened[kind] += 1
                await act(kind, reader, writer)
            if writer is not None:
                writer.transport.abort()
            await asyncio.sleep(AGAIN_SECONDS)

    async def act(kind: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if kind == "half-open":
            writer.write(head + b"X: ")
            await _until(end, reader)
        elif kind in {"slow headers", "slow body"}:
            framed = head + b"Content-Length: 1000000\r\n\r\n" if kind == "slow body" else head
            writer.write(framed)
            while time.monotonic() < end and not reader.at_eof():
                writer.write(b"a")
                await writer.drain()
                await asyncio.sleep(1)
        elif kind == "endless body":
            writer.write(head + b"Transfer-Encoding: chunked\r\n\r\n")
            while time.monotonic() < end:
                writer.write(b"2710\r\n" + b"a" * 10_000 + b"\r\n")
                await writer.drain()
                await asyncio.sleep(0.5)
        elif kind == "garbage":
            writer.write(b"\x16\x03\x01 nonsense\r\n\r\n")
            await _until(end, reader)
        elif kind == "large headers":
            writer.write(head + b"X: " + b"a" * 100_000)
            await _until(end, reader)
        elif kind == "reads nothing":
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            writer.write(request)
            await asyncio.sleep(end - time.monotonic())
        else:
            writer.write(request)
            await asyncio.sleep(0.2)

    chosen = itertools.islice(itertools.cycle(kinds.split(",")), number)
    await asyncio.gather(*(hostile(kind) for kind in chosen))
    return dict(opened)


async def _until(end: float, reader: asyncio.StreamReader) -> None:
    """Wait until the service closes the connection, or until a time."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(max(end - time.monotonic(), 0)):
            while await reader.read(1_000):
                pass


if __name__ == "__main__":
    sys.exit(main())
