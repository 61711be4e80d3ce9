"""Authentication of callers by bearer tokens."""

import asyncio
from pathlib import Path

import pytest
from starlette.authentication import AuthenticationError
from starlette.requests import HTTPConnection
from tests.conftest import Run

from tuppence.errors import UserError
from tuppence.services.access import BearerTokens, add_caller, digest, read_callers


def test_a_token_is_printed_once_and_only_its_digest_is_kept(tuppence: Run, tmp_path: Path) -> None:
    tokens = [
        tuppence("serve", "token", name, "--callers", "callers").stdout.strip()
        for name in ("one", "two")
    ]
    path = tmp_path / "callers"
    assert path.stat().st_mode & 0o777 == 0o600
    assert not any(token in path.read_text() for token in tokens)
    assert read_callers(str(path)) == {digest(tokens[0]): "one", digest(tokens[1]): "two"}
    done = tuppence("serve", "token", "one", "--callers", "callers", status=1)
    assert "one already has a token" in done.stderr


def test_every_digest_is_compared_for_every_token(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[str] = []

    def compare(known: str, wanted: str) -> bool:
        compared.append(known)
        return known == wanted

    monkeypatch.setattr("hmac.compare_digest", compare)
    callers = {digest(token): token for token in ("one", "two", "three")}
    backend = BearerTokens(callers)
    for token in ("one", "two", "three", "none"):
        headers = [(b"authorization", f"Bearer {token}".encode())]
        connection = HTTPConnection({"type": "http", "path": "/v1/rules", "headers": headers})
        compared.clear()
        if token == "none":  # noqa: S105
            with pytest.raises(AuthenticationError):
                asyncio.run(backend.authenticate(connection))
        else:
            found = asyncio.run(backend.authenticate(connection))
            assert found is not None
            assert found[1].display_name == token
        assert compared == list(callers)


@pytest.mark.parametrize("name", ["", "a b", "a\nb", "x" * 65])
def test_a_malformed_name_of_a_caller_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="is not a valid name of a caller"):
        add_caller(name, tmp_path / "callers")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "names no caller"),
        ("# none yet\n", "names no caller"),
        ("engine secret\n", "callers:1: expected the name of a caller and the SHA-256"),
    ],
)
def test_a_malformed_file_of_callers_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "callers"
    path.write_text(text)
    with pytest.raises(UserError, match=problem):
        read_callers(str(path))
