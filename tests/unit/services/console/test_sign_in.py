"""Checks how attempts to sign in are counted, and where people may be sent afterwards."""

import pytest

from tuppence.errors import UserError
from tuppence.services.console.sign_in_pages import (
    MAX_COUNTED,
    MAX_FAILURES,
    WINDOW,
    Failures,
    inside,
    secrets_of,
    secrets_text,
)


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000

    def __call__(self) -> int:
        return self.now


def often(failures: Failures, name: str, host: str) -> bool:
    try:
        failures.begin(name, host)
    except UserError as error:
        return error.code == "sign-in.often"
    return False


def test_too_many_failures_of_a_name_lock_it_for_a_while() -> None:
    clock = Clock()
    failures = Failures(clock)
    assert not any(often(failures, "ann", f"h{n}") for n in range(MAX_FAILURES["name"]))
    assert often(failures, "ann", "another")
    assert not often(failures, "bob", "another")
    clock.now += WINDOW
    assert not often(failures, "ann", "another")


def test_too_many_failures_of_a_host_lock_it_for_a_while() -> None:
    failures = Failures(Clock())
    assert not any(often(failures, f"n{n}", "host") for n in range(MAX_FAILURES["host"]))
    assert often(failures, "another", "host")
    assert not often(failures, "another", "elsewhere")


def test_success_forgets_failures_and_is_none() -> None:
    failures = Failures(Clock())
    for _ in range(3 * MAX_FAILURES["host"]):
        assert not often(failures, "ann", "host")
        failures.succeed("ann", "host")


def test_memory_is_bounded_and_keeps_the_newest() -> None:
    failures = Failures(Clock())
    for number in range(MAX_COUNTED + 10):
        often(failures, f"n{number}", f"h{number}")
    assert len(failures._kept) == MAX_COUNTED


@pytest.mark.parametrize(
    ("to", "where"),
    [
        ("/rule?name=a", "/rule?name=a"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("/a\r\nset-cookie: x", "/"),
        ("", "/"),
        (None, "/"),
    ],
)
def test_people_are_sent_to_pages_of_the_console_only(to: str | None, where: str) -> None:
    assert inside(to) == where


@pytest.mark.parametrize("text", ["", "zz", "5b5d", secrets_text(["a", "b"]), "00" * 5_000])
def test_a_broken_cookie_is_no_sign_in(text: str) -> None:
    assert secrets_of(text) is None
    assert secrets_of(secrets_text(["a", "b", "c", "/"])) == ["a", "b", "c", "/"]
