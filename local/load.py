"""Sends a steady flow of requests to the engines, and records every answer."""

import asyncio
import itertools
import json
import random
import time
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

CONNECTIONS: Final = 256


class Noted(NamedTuple):
    """The record of one request.

    Attributes:
        at: Time at which it was due, by `time.perf_counter`.
        seconds: Seconds from then to the end of the answer.
        status: Status of HTTP; 0 if the connection broke.
        customer: The customer that it was about.
        ruleset: Digest of the ruleset that the answer names.
        results: The customer's results in the answer.
    """

    at: float
    seconds: float
    status: int
    customer: str
    ruleset: str
    results: Any


async def flow(
    port: int, token: str, customers: Sequence[str], as_of: str, rate: int, stop: asyncio.Event
) -> list[Noted]:
    """Send requests at a constant rate, each about one customer, whether answers come or not.

    Args:
        port: Port on loopback.
        token: Token of a caller.
        customers: Customers, of whom one is drawn for each request.
        as_of: The date of the evaluations.
        rate: Requests a second.
        stop: Set when no more requests are to be sent.
    """
    noted: list[Noted] = []
    due: asyncio.Queue[float | None] = asyncio.Queue()
    began = time.perf_counter()
    clients = [
        asyncio.create_task(_client(port, token, customers, as_of, due, noted, seed))
        for seed in range(CONNECTIONS)
    ]
    for number in itertools.count():
        moment = began + number / rate
        await asyncio.sleep(max(0.0, moment - time.perf_counter()))
        if stop.is_set():
            break
        due.put_nowait(moment)
    for _ in clients:
        due.put_nowait(None)
    await asyncio.gather(*clients)
    return noted


async def saturate(
    port: int, path: str, token: str, bodies: Sequence[str], connections: int, seconds: float
) -> list[float]:
    """Send requests over several connections, on each as soon as the last one is answered.

    Returns:
        The seconds that each request took.

    Raises:
        RuntimeError: An answer was an error.
    """
    end = time.perf_counter() + seconds
    times: list[float] = []

    async def client(seed: int) -> None:
        drawn = random.Random(seed)  # noqa: S311 - the choice of a body is not a secret
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while (began := time.perf_counter()) < end:
            status, answer = await _ask(reader, writer, path, token, drawn.choice(bodies))
            if status != 200:
                raise RuntimeError(f"status {status}: {answer[:500]!r}")
            times.append(time.perf_counter() - began)
        writer.close()

    await asyncio.gather(*map(client, range(connections)))
    return times


async def _client(
    port: int,
    token: str,
    customers: Sequence[str],
    as_of: str,
    due: "asyncio.Queue[float | None]",
    noted: list[Noted],
    seed: int,
) -> None:
    drawn = random.Random(seed)  # noqa: S311 - the choice of a customer is not a secret
    line: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
    while (at := await due.get()) is not None:
        customer = drawn.choice(customers)
        body = {"run_id": "flow", "as_of": as_of, "customers": [customer], "results": True}
        status, answer = 0, b""
        try:
            line = line or await asyncio.open_connection("127.0.0.1", port)
            status, answer = await asyncio.wait_for(
                _ask(*line, "/v1/evaluations", token, json.dumps(body)), 30
            )
        except (OSError, EOFError, TimeoutError):
            pass
        if status != 200 and line is not None:  # the balancer closes after an error of its own
            line[1].close()
            line = None
        seconds = time.perf_counter() - at
        found = json.loads(answer) if status == 200 else {}
        noted.append(
            Noted(at, seconds, status, customer, found.get("ruleset", ""), found.get("results"))
        )
    if line is not None:
        line[1].close()


async def _ask(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str, token: str, body: str
) -> tuple[int, bytes]:
    writer.write(
        f"POST {path} HTTP/1.1\r\nHost: engines\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
    )
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    length = head.partition("content-length: ")[2].partition("\r\n")[0]
    answer = await reader.readexactly(int(length)) if length else b""
    return int(head.split(" ", 2)[1]), answer
