"""Bodies of requests: an ambiguous or malformed body is refused."""

import json
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import msgspec
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient

from tuppence.services.access import BearerTokens, digest
from tuppence.services.application import application
from tuppence.services.bodies import json_response, read_body
from tuppence.services.metrics import Metrics

JSON = {"Content-Type": "application/json"}


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    a: str = ""
    b: list[str] = []


class Outer(msgspec.Struct, forbid_unknown_fields=True):
    one: Inner
    two: list[Inner] = []


@pytest.fixture
def client() -> Iterator[TestClient]:
    decoder = msgspec.json.Decoder(Outer)

    async def handle(request: Request) -> Response:
        return json_response(await read_body(request, decoder, 1_000))

    async def check() -> None:
        """Be ready."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield

    routes = [Route("/", handle, methods=["POST"])]
    app = application(
        routes, check, Metrics("desk"), BearerTokens({digest("t"): "one"}), 10, lifespan
    )
    with TestClient(app, headers={"Authorization": "Bearer t"}) as running:
        yield running


@pytest.mark.parametrize(
    ("body", "key"),
    [
        (rb'{"one": {}, "one": {}}', "one"),
        (rb'{"one": {"a": "1", "a": "2"}}', "a"),
        (rb'{"one": {"a": "1", "\u0061" : "2"}}', "a"),
        (rb'{"one": {}, "two": [{"a": "}{"}, {"b": ["a", "\"a\":"], "b": []}]}', "b"),
    ],
)
def test_a_repeated_key_is_refused(client: TestClient, body: bytes, key: str) -> None:
    answer = client.post("/", content=body, headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (400, "request.body")
    assert answer.json()["title"] == f"the body: the key {key!r} occurs twice"


@pytest.mark.parametrize(
    "body",
    [
        rb'{"one": {"a": "a"}, "two": [{"a": "1"}, {"a": "2", "b": ["a", "a", "b"]}]}',
        rb'{"one": {"a": "\"a\": {"}, "two": [{"a": "\\"}, {"a": ":"}]}',
    ],
)
def test_the_same_key_in_different_objects_is_accepted(client: TestClient, body: bytes) -> None:
    answer = client.post("/", content=body, headers=JSON)
    assert answer.status_code == 200
    assert msgspec.json.decode(answer.content, type=Outer) == msgspec.json.decode(body, type=Outer)


def test_lists_of_any_texts_hide_no_repeated_key(client: TestClient) -> None:
    """Looking only at what is left without lists finds what looking at everything finds."""
    source = random.Random(5)  # noqa: S311 - any texts will do
    parts = ["[", "]", "]]", ":", ",", "{", "}", ", ", "a", "b", "one", '\\"', "\\\\", "\\u005d"]

    def text() -> str:
        return '"' + "".join(source.choices(parts, k=source.randrange(4))) + '"'

    def inner() -> str:
        keys = source.choices(["a", "b"], k=source.randrange(4))
        lists = (f"[{', '.join(text() for _ in range(source.randrange(4)))}]" for _ in keys)
        pairs = (f'"{k}":{text() if k == "a" else v}' for k, v in zip(keys, lists, strict=True))
        return "{" + ", ".join(pairs) + "}"

    answers = []
    for _ in range(200):
        body = f'{{"one": {inner()}, "two": [{inner()}, {inner()}]}}'
        objects = list[list[tuple[str, object]]]()
        json.loads(body, object_pairs_hook=objects.append)
        wanted = any(len(dict(pairs)) < len(pairs) for pairs in objects)
        answers.append(wanted)
        assert (client.post("/", content=body, headers=JSON).status_code == 400) == wanted, body
    assert 50 < sum(answers) < 150


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Content-Encoding": "gzip"}, "request.encoding"),
        ({"Content-Encoding": "identity, br"}, "request.encoding"),
        ({"Content-Type": "application/json; charset=utf-16"}, "request.content-type"),
        ({"Content-Type": "text/plain"}, "request.content-type"),
    ],
)
def test_a_body_of_another_type_is_refused(
    client: TestClient, headers: dict[str, str], code: str
) -> None:
    answer = client.post("/", content=b'{"one": {}}', headers=JSON | headers)
    assert (answer.status_code, answer.json()["code"]) == (415, code)


def test_a_body_that_is_not_json_in_utf_8_is_refused(client: TestClient) -> None:
    for charset in ("utf-8", '"UTF-8"'):
        kind = {"Content-Type": f"application/json; charset={charset}"}
        plain = {"Content-Encoding": "identity"}
        assert client.post("/", content=b'{"one": {}}', headers=kind | plain).status_code == 200


def test_a_body_declared_as_too_large_is_not_read(client: TestClient) -> None:
    answer = client.post("/", content=b"1", headers=JSON | {"Content-Length": "1001"})
    assert (answer.status_code, answer.json()["code"]) == (413, "request.large")
