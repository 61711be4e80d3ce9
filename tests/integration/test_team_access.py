"""Tests access to the console of a team: passwords, an identity provider, sessions, roles."""

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient
from tests.building import day
from tests.identity_provider import IdentityProvider
from tests.serving import served

from tuppence.adapters.postgres.team import put_person, remove_person
from tuppence.bootstrap.console import team_console
from tuppence.facts.consent import PURPOSES
from tuppence.feed.items import DAY
from tuppence.services.console import reviews_pages, sign_in_pages
from tuppence.services.console.permissions import NEEDS, OPEN
from tuppence.services.console.reasons import REASONS
from tuppence.usecases.team_policy import SignIn, TeamPolicy

NOW: Final = day("2026-06-30") * DAY
MINUTE: Final = 60_000
PASSWORD: Final = "correct horse battery"  # noqa: S105 - of nobody
OWN: Final = {"Sec-Fetch-Site": "same-origin"}
Client = Callable[..., TestClient]


@pytest.fixture
def clock() -> list[int]:
    return [NOW]


@pytest.fixture(scope="module")
def with_people(new_template: Callable[[str], str]) -> str:
    """Return the name of a database with two people: it takes long to hash passwords."""
    url = new_template("access")
    put_person(url, "ann", "Ann", PASSWORD, ["author"])
    put_person(url, "sue", "Sue", PASSWORD, ["support"])
    put_person(url, "pat", "Pat", PASSWORD, ["publisher"])
    return "access"


@pytest.fixture
def database(new_database: Callable[[str], str], with_people: str) -> str:
    return new_database(with_people)


@pytest.fixture
def made(
    store: Path, login: Callable[..., str], clock: list[int], tmp_path: Path
) -> Iterator[Callable[..., Starlette]]:
    """Yield a function that composes the console of a team, which runs until the test ends."""
    url = login("console", "service")
    (tmp_path / "secret").write_text("s")

    with contextlib.ExitStack() as running:

        def make(policy: TeamPolicy, origin: str) -> Starlette:
            made = team_console(
                store, url, None, PURPOSES, 1_000_000, lambda: clock[0], policy, origin, "", (),
                "", None,
            )  # fmt: skip
            running.enter_context(TestClient(made))
            return made

        yield make


@pytest.fixture
def app(made: Callable[..., Starlette]) -> Starlette:
    return made(TeamPolicy(idle_minutes=30, hours=1), "https://console.example")


def browser(app: Starlette, address: str = "https://console.example") -> TestClient:
    """Return a client that keeps cookies, as a browser does."""
    return TestClient(app, address, follow_redirects=False)


def signed_in(app: Starlette, name: str) -> TestClient:
    client = browser(app)
    form = {"name": name, "password": PASSWORD, "to": "/audit"}
    found = client.post("/sign-in", data=form, headers=OWN)
    assert (found.status_code, found.headers["location"]) == (303, "/audit")
    return client


def test_every_page_says_who_may_open_it(app: Starlette) -> None:
    routes = [one for one in app.routes if isinstance(one, Route) and one.path not in OPEN]
    asked = {(method, one.path) for one in routes for method in set(one.methods or ()) - {"HEAD"}}
    assert asked == set(NEEDS)


def test_nobody_gets_in_without_a_session(app: Starlette) -> None:
    client = browser(app)
    for method, path in NEEDS:
        found = client.request(method, path, headers=OWN)
        assert found.status_code == (303 if method == "GET" else 401), path
    assert client.get("/rule?name=a&view=file").headers["location"] == (
        "/sign-in?to=%2Frule%3Fname%3Da%26view%3Dfile"
    )
    assert client.get("/healthz").status_code == 200
    assert "Rules" not in client.get("/sign-in").text


def test_a_session_ends_when_somebody_leaves_even_in_a_copy(app: Starlette) -> None:
    client = signed_in(app, "ann")
    (cookie,) = client.cookies.jar
    assert (cookie.secure, cookie.path, cookie.name[:16]) == (True, "/", "__Host-tuppence-")
    assert cookie.has_nonstandard_attr("HttpOnly")
    copy = browser(app)
    copy.cookies.update(client.cookies)
    assert copy.get("/reviews").status_code == 200
    assert client.post("/sign-out", headers=OWN).status_code == 303
    assert copy.get("/reviews").status_code == 303
    assert signed_in(app, "ann").cookies != copy.cookies


def test_a_session_ends_when_idle_and_at_its_end(app: Starlette, clock: list[int]) -> None:
    client = signed_in(app, "ann")
    for _ in range(2):
        clock[0] += 29 * MINUTE
        assert client.get("/reviews").status_code == 200
    clock[0] += 3 * MINUTE
    assert client.get("/reviews").status_code == 303, "an hour is over"
    client = signed_in(app, "ann")
    clock[0] += 31 * MINUTE
    assert client.get("/reviews").status_code == 303, "idle"


def test_somebody_who_is_removed_is_out_at_once(app: Starlette, database: str) -> None:
    client = signed_in(app, "ann")
    remove_person(database, "ann")
    assert client.get("/reviews").status_code == 303


def test_a_role_decides_what_is_allowed(app: Starlette) -> None:
    ann, sue = signed_in(app, "ann"), signed_in(app, "sue")
    assert ann.get("/customers").status_code == 403
    assert sue.get("/customers").status_code == 200
    assert sue.get("/new").status_code == 403
    assert "Reviews" in ann.get("/reviews").text
    assert '<a href="/customers"' not in ann.get("/reviews").text
    form = {"text": "x", "version": "1", "digest": "", "base": "1"}
    for path, step in (("/review?rule=fees", "approve"), ("/versions?name=fees", "retire")):
        found = ann.post(path, data={**form, "do": step}, headers=OWN)
        assert found.status_code == 403, path
    assert ann.post("/publish", data={"do": "publish x"}, headers=OWN).status_code == 403


def test_a_form_of_another_site_is_refused(app: Starlette) -> None:
    client = signed_in(app, "ann")
    refused: tuple[dict[str, str], ...] = (
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {},
    )
    for headers in refused:
        for path in ("/sign-out", "/sign-in", "/new"):
            assert client.post(path, data={}, headers=headers).status_code == 403
    assert client.get("/reviews").status_code == 200


def test_many_wrong_passwords_lock_a_name(app: Starlette, clock: list[int]) -> None:
    client = browser(app)
    wrong = {"name": "ann", "password": "x" * 12, "to": "/"}
    told = [client.post("/sign-in", data=wrong, headers=OWN).status_code for _ in range(11)]
    assert told == [403] * 10 + [429]
    right = {**wrong, "password": PASSWORD}
    assert client.post("/sign-in", data=right, headers=OWN).status_code == 429
    clock[0] += 15 * MINUTE
    assert client.post("/sign-in", data=right, headers=OWN).status_code == 303


def test_who_sees_a_customer_is_recorded(app: Starlette) -> None:
    sue = signed_in(app, "sue")
    form = {"customer": "c1", "reason": REASONS[0]}
    sue.get("/customer?customer=c1")  # asks for a reason, and shows nothing
    assert "Nothing yet." in sue.get("/audit").text
    sue.post("/customer", data=form, headers=OWN)
    sue.get("/customer?customer=c1")
    found = sue.get("/audit").text
    assert "page of a customer" in found
    assert REASONS[0] in found
    assert "c1" in found


RULE: Final = """\
id: spends
kind: insight
title: Spends something
when: count(transactions[amount < 0]) > 0
score: 10
message: {title: Hello, body: You have spent something}
"""


def test_authors_see_those_whom_a_preview_names_and_that_is_recorded(app: Starlette) -> None:
    ann, pat = signed_in(app, "ann"), signed_in(app, "pat")
    draft = {"view": "file", "text": RULE}
    example = {**draft, "customer": "ann"}
    unnamed = ann.post("/example?name=spends", data=example, headers=OWN)
    assert unnamed.status_code == 403
    assert "no preview has named" in unnamed.text
    more = ann.post("/more?name=spends", data={**draft, "example": "ann"}, headers=OWN)
    assert more.status_code == 403
    assert "Nothing yet." in ann.get("/audit").text
    for form in (draft, {**draft, "editor": "one"}):
        found = pat.post("/preview?name=spends", data=form, headers=OWN)
        assert "<strong>1</strong> of 1 customers" in found.text
        assert "Why ann" not in found.text
        assert "You have spent something" not in found.text
    assert "Nothing yet." in ann.get("/audit").text
    named = ann.post("/preview?name=spends", data={**draft, "editor": "one"}, headers=OWN)
    assert "Why ann?" in named.text
    assert "example of a rule" in ann.get("/audit").text
    assert "Bean Yard" in ann.post("/example?name=spends", data=example, headers=OWN).text
    assert ann.get("/audit").text.count("reasons of a rule") == 1
    assert pat.post("/example?name=spends", data=example, headers=OWN).status_code == 403


def test_a_version_that_does_not_exist_is_not_found(app: Starlette) -> None:
    ann = signed_in(app, "ann")
    form = {"view": "file", "text": RULE, "do": "save", "reason": "new", "base": ""}
    assert ann.post("/rule?name=spends", data=form, headers=OWN).status_code == 303
    assert ann.get("/versions?name=spends&version=1").status_code == 200
    assert ann.get("/versions?name=spends&version=99").status_code == 404


def test_a_refused_export_is_not_recorded(app: Starlette) -> None:
    sue = signed_in(app, "sue")
    sue.post("/customer", data={"customer": "c1", "reason": REASONS[0]}, headers=OWN)
    form = {"customer": "c1", "written": "c1"}
    for path in ("/customer/export", "/customer/erase"):
        assert sue.post(path, data=form, headers=OWN).status_code >= 400
    assert "Nothing yet." in sue.get("/audit").text


def test_the_audit_is_read_page_by_page(app: Starlette, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reviews_pages, "MAX_LISTED", 1)
    sue = signed_in(app, "sue")
    sue.post("/customer", data={"customer": "c1", "reason": REASONS[0]}, headers=OWN)
    sue.get("/customer?customer=c1")
    sue.get("/reason?customer=c1&rule=spends")
    first, second = sue.get("/audit?reads=0").text, sue.get("/audit?reads=1").text
    assert ("reasons of spends" in first, "page of a customer" in first) == (True, False)
    assert ("reasons of spends" in second, "page of a customer" in second) == (False, True)
    assert "reads=1" in first
    assert "Older" not in second
    assert sue.get("/audit?reads=x").status_code == 400


def test_a_load_balancer_says_who_asks(
    made: Callable[..., Starlette], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sign_in_pages.MAX_FAILURES, "host", 2)
    app = made(TeamPolicy(proxies=["10.0.0.0/16"]), "https://console.example")
    balancer = ("10.0.7.1", 50_000)
    client = TestClient(app, "https://console.example", follow_redirects=False, client=balancer)
    for number in range(3):
        wrong = {"name": f"n{number}", "password": "x" * 12, "to": "/"}
        host = {"X-Forwarded-For": "203.0.113.9"}
        status = client.post("/sign-in", data=wrong, headers={**OWN, **host}).status_code
    assert status == 429
    other = {**OWN, "X-Forwarded-For": "203.0.113.10"}
    right = {"name": "ann", "password": PASSWORD, "to": "/"}
    assert client.post("/sign-in", data=right, headers=other).status_code == 303


# -- an identity provider ------------------------------------------------------------------------


@pytest.fixture
def provider() -> Iterator[IdentityProvider]:
    found = IdentityProvider(int(time.time()))
    with served(found.app) as port:
        found.issuer = f"http://127.0.0.1:{port}"
        yield found


@pytest.fixture
def linked(made: Callable[..., Starlette], provider: IdentityProvider, tmp_path: Path) -> Starlette:
    settings = SignIn(
        provider.issuer, "tuppence", str(tmp_path / "secret"),
        {"insights": "author", "checkers": "reviewer"},
    )  # fmt: skip
    policy = TeamPolicy(address="https://console.example", sign_in=settings)
    return made(policy, "https://console.example")


def answer(client: TestClient) -> str:
    """Begin a sign-in, have the provider sign somebody in, and return where it sends them."""
    begun = client.get("/sign-in/begin?to=/audit")
    assert begun.status_code == 303
    found = httpx2.get(begun.headers["location"])
    where = urlsplit(found.headers["location"])
    assert where.netloc == "console.example"
    return f"{where.path}?{where.query}"


def test_a_person_of_the_provider_gets_the_roles_of_their_groups(
    linked: Starlette, provider: IdentityProvider
) -> None:
    provider.claims["groups"] = ["insights", "checkers", "others"]
    client = browser(linked)
    assert "127.0.0.1" in client.get("/sign-in").text
    found = client.get(answer(client))
    assert (found.status_code, found.headers["location"]) == (303, "/audit")
    assert "author, reviewer" in client.get("/audit").text
    form = {"name": "ann", "password": PASSWORD, "to": "/"}
    assert client.post("/sign-in", data=form, headers=OWN).status_code == 403


def test_an_answer_counts_once_and_in_the_browser_that_began(linked: Starlette) -> None:
    client, other = browser(linked), browser(linked)
    where = answer(client)
    other.get("/sign-in/begin")
    assert other.get(where).status_code == 403, "another browser"
    assert browser(linked).get(where).status_code == 403, "no browser"
    assert client.get(where.replace("state=", "state=x")).status_code == 403
    assert client.get(where).status_code == 303
    assert client.get(where).status_code == 403, "again"
    declined = answer(client)
    state = declined[declined.index("state=") :]
    assert client.get(f"/callback?error=access_denied&{state}").status_code == 403


@pytest.mark.parametrize(
    ("claims", "says", "message"),
    [
        ({"aud": "another"}, {}, "has not confirmed who you are"),
        ({"iss": "https://evil.example"}, {}, "has not confirmed who you are"),
        ({"nonce": "another"}, {}, "has not confirmed who you are"),
        ({"exp": 1_000_000}, {}, "has not confirmed who you are"),
        ({"sub": None}, {}, "has not confirmed who you are"),
        ({"groups": ["others"]}, {}, "you are in no group"),
        ({"groups": {"insights": True}}, {}, "you are in no group"),
        ({}, {"key": True}, "has not confirmed who you are"),
    ],
)
def test_an_identity_that_proves_nothing_is_refused(
    linked: Starlette,
    provider: IdentityProvider,
    claims: dict[str, Any],
    says: dict[str, Any],
    message: str,
) -> None:
    provider.claims |= claims
    if says.pop("key", None):
        provider.signs_with = type(provider.key).generate_key(2048, {"kid": "k1"})
    provider.says = says
    client = browser(linked)
    found = client.get(answer(client))
    assert found.status_code == 403
    assert message in found.text
    assert client.get("/reviews").status_code == 303


@pytest.mark.parametrize(
    "says",
    [
        {"issuer": "https://evil.example"},
        {"id_token_signing_alg_values_supported": ["none", "HS256"]},
        {"jwks_uri": None},
    ],
)
def test_a_provider_that_says_it_is_another_or_signs_nothing_is_refused(
    linked: Starlette, provider: IdentityProvider, says: dict[str, Any]
) -> None:
    provider.says = says
    found = browser(linked).get("/sign-in/begin")
    assert found.status_code == 502
    told = [one for one in ("https://evil.example", "HS256", "jwks_uri") if one in found.text]
    assert len(told) == 1
    provider.says = {}
    assert browser(linked).get("/sign-in/begin").status_code == 303, "asked again"
