"""The feed under 1,000 requests a second while its database and then both are killed."""

import asyncio
import functools
import itertools
import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx2
import pytest
from local.servers import PATIENCE, Server
from tests.feed_process import batch, crash, feed_process
from tests.serving import head, post

from tuppence.bootstrap.database import fact_database
from tuppence.errors import RETRYABLE
from tuppence.services.feed.tokens import customer_token, read_keys

A_SECOND: Final = 1_000
CONNECTIONS: Final = 64
PEOPLE: Final = tuple(f"p{number:02}" for number in range(40))
BETWEEN: Final = 1_500
"""Number of answers before each crash, and after the last one."""
LIMIT: Final = 600.0
"""Seconds after which the test fails, on however slow a machine."""


class Sent(NamedTuple):
    """A batch of events of a person."""

    customer: str
    body: dict[str, Any]


class Crowd:
    """Apps of many people: four requests for a feed for each batch of events, which is sent twice.

    Requests are due at a constant rate, whatever becomes of the ones before. A request whose answer
    is lost is not sent again: apps whose connection broke do that later.

    Args:
        port: Port of the service.
        authorizations: The header with the token of each person.
        feeds: A feed of each.

    Attributes:
        batches: The batches that were sent, or are about to be, in order.
        acknowledged: Numbers of the batches that the service has acknowledged.
        answered: Number of answers that were not put off.
        sent: Number of requests that were sent.
        problems: Answers that are wrong.
    """

    def __init__(
        self, port: int, authorizations: Mapping[str, str], feeds: Mapping[str, dict[str, Any]]
    ) -> None:
        self.batches: list[Sent] = []
        self.acknowledged = set[int]()
        self.answered = self.sent = 0
        self.problems: list[str] = []
        self._port, self._authorizations, self._feeds = port, authorizations, feeds
        self._numbers = itertools.count()
        self._over = False
        self._more = asyncio.Event()

    async def send_during(self, crashes: Sequence[Callable[[], None]]) -> float:
        """Send requests while servers are killed; return the seconds that it took."""
        begin = time.perf_counter()
        async with asyncio.timeout(LIMIT), asyncio.TaskGroup() as group:
            for _ in range(CONNECTIONS):
                group.create_task(self._send(begin))
            for one in crashes:
                await self._wait()
                await asyncio.to_thread(one)
            await self._wait()
            self._over = True
        return time.perf_counter() - begin

    async def _wait(self) -> None:
        """Wait for further answers."""
        until = self.answered + BETWEEN
        while self.answered < until:
            self._more.clear()
            await self._more.wait()

    def _request(self, number: int) -> tuple[bytes, int | None]:
        """Return a request, and the number of its batch if it has one."""
        posted, rest = divmod(number, 5)
        if rest:
            customer = PEOPLE[number % len(PEOPLE)]
            return head("GET", "/v1/feed", self._authorizations[customer]), None
        place = posted // 2
        while place >= len(self.batches):  # a request may overtake the one before it
            customer = PEOPLE[len(self.batches) % len(PEOPLE)]
            self.batches.append(Sent(customer, batch(self._feeds[customer])))
        one = self.batches[place]
        return post("/v1/feed/events", one.body, self._authorizations[one.customer]), place

    async def _send(self, begin: float) -> None:
        stream = None
        for number in self._numbers:
            await asyncio.sleep(max(0.0, begin + number / A_SECOND - time.perf_counter()))
            if self._over:
                break
            request, place = self._request(number)
            try:
                stream = stream or await asyncio.open_connection("127.0.0.1", self._port)
                status, body = await _answer(*stream, request)
            except (OSError, EOFError, ValueError):  # the service is away
                if stream is not None:
                    stream[1].close()
                stream = None
            else:
                self._note(status, body, place)
            finally:
                self.sent += 1
        if stream is not None:
            stream[1].close()

    def _note(self, status: int, body: bytes, place: int | None) -> None:
        if status in RETRYABLE:  # the database is away
            return
        if status != 200:
            self.problems.append(body.decode())
        elif place is not None:
            done = json.loads(body)
            if done["recorded"] + done["repeated"] != 5:
                self.problems.append(body.decode())
            self.acknowledged.add(place)
        self.answered += 1
        self._more.set()


async def _answer(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
) -> tuple[int, bytes]:
    """Send a request, and return the status and the body of its answer."""
    writer.write(request)
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    fields = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
    body = await reader.readexactly(int(fields.get("content-length", 0)))
    return int(lines[0].split(" ")[1]), body


@pytest.mark.long
def test_a_thousand_requests_a_second_lose_and_double_nothing_when_servers_are_killed(
    killable: tuple[Server, str], tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    postgres, url = killable
    service = feed_process(url, tmp_path, *PEOPLE)
    keys, now = read_keys(str(tmp_path / "feed.keys")), time.time_ns() // 1_000_000
    tokens = {name: customer_token(keys, name, now, 3_600) for name in PEOPLE}
    headers = {name: f"Authorization: Bearer {token}" for name, token in tokens.items()}
    service.start()
    address = f"http://127.0.0.1:{service.port}"
    try:
        with httpx2.Client(base_url=address, timeout=PATIENCE) as client:

            def call(method: str, path: str, name: str, **more: Any) -> dict[str, Any]:
                authorization = {"Authorization": f"Bearer {tokens[name]}"}
                answer = client.request(method, path, headers=authorization, **more)
                while answer.status_code in RETRYABLE:  # it finds connections that have broken
                    answer = client.request(method, path, headers=authorization, **more)
                found: dict[str, Any] = answer.json()
                return found

            feeds = {name: call("GET", "/v1/feed", name) for name in PEOPLE}
            crowd = Crowd(service.port, headers, feeds)
            crashes = [(postgres,), (service,), (service, postgres), (postgres,)]
            took = asyncio.run(crowd.send_during([functools.partial(crash, *c) for c in crashes]))
            record_property("requests a second", round(crowd.sent / took))
            assert crowd.problems == []
            before = kept(url)
            acknowledged = {
                event["id"]
                for place in crowd.acknowledged
                for event in crowd.batches[place].body["events"]
            }
            assert len(acknowledged) > BETWEEN
            assert acknowledged <= set(before), "what was acknowledged is there"
            recorded = repeated = 0
            for one in crowd.batches:
                done = call("POST", "/v1/feed/events", one.customer, json=one.body)
                assert done["refused"] == []
                recorded, repeated = recorded + done["recorded"], repeated + done["repeated"]
        rows = kept(url)
        assert repeated == len(before) == len(set(before))
        assert len(rows) == len(set(rows)) == recorded + repeated == 5 * len(crowd.batches)
    finally:
        service.stop()


def kept(url: str) -> list[str]:
    """Return the names of all events that are kept."""
    with fact_database(url) as facts:
        return [row["id"] for name in PEOPLE for row in facts.feed_of(name)["events"]]
