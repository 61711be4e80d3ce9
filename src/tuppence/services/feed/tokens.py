"""Signed tokens: who a customer is, and what they were shown.

The app's backend and the service share a file of keys, a line each: a name and a secret. The first
key signs, and all of them verify, so that a key can be replaced without a moment at which tokens
are refused: append the new key everywhere, then move it to the top, and remove the old one later.
"""

import functools
import re
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import jwt
import msgspec
from jwt.algorithms import HMACAlgorithm
from starlette.authentication import (
    AuthCredentials,
    AuthenticationBackend,
    AuthenticationError,
    BaseUser,
)
from starlette.requests import HTTPConnection

from tuppence.errors import UserError
from tuppence.facts.identifiers import why_not_identifier
from tuppence.services.access import OPEN_PATHS, BearerTokens
from tuppence.services.feed.messages import ViewAnswer
from tuppence.structured import read_secret
from tuppence.usecases.delivery_ports import UNSUBSCRIBE_PATH
from tuppence.usecases.feed_ports import ShownView, View, view_id

AUDIENCE: Final = "tuppence-feed"
"""The audience of customers' tokens."""
MAX_TOKEN_SECONDS: Final = 3_600
"""Longest life of a customer's token."""
MAX_VERIFIED: Final = 10_000
"""Number of tokens whose signatures need not be verified again."""
AHEAD_SECONDS: Final = 60
"""Seconds by which the clock of whoever makes tokens may be ahead."""
_ALGORITHM: Final = "HS256"
_RECEIPT: Final = "tuppence-view"
_LINE: Final = re.compile(r"([A-Za-z0-9._-]{1,64}) ([A-Za-z0-9_-]{43,200})")
_CUSTOMER: Final = "customer"
_OPERATOR: Final = "operator"


class _Hmac(HMACAlgorithm):
    """HMAC that examines a key once, not for each token: that it is no key of another algorithm."""

    @functools.lru_cache(maxsize=100)  # noqa: B019 - there is one instance
    def prepare_key(self, key: str | bytes) -> bytes:
        return super().prepare_key(key)


_JWS: Final = jwt.PyJWS([])
_JWS.register_algorithm(_ALGORITHM, _Hmac(_Hmac.SHA256))


class Claims(msgspec.Struct, frozen=True):
    """The claims of a customer's token; others are ignored, as the standard says."""

    sub: str
    aud: str | list[str]
    iat: int
    exp: int
    nbf: int = 0


_CLAIMS: Final = msgspec.json.Decoder(Claims)


class Keys(NamedTuple):
    """Keys by name; the first one signs."""

    secrets: Mapping[str, str]

    @property
    def signing(self) -> tuple[str, str]:
        """The name and the secret of the key that signs."""
        return next(iter(self.secrets.items()))


def read_keys(where: str) -> Keys:
    """Read a file of keys, or for `env:NAME` an environment variable with its lines.

    Raises:
        UserError: The file cannot be read, has no key, or has a malformed line.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(read_secret(where).splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None or match[1] in found:
            message = f"{where}:{number}: expected a new name and a secret of 43 or more characters"
            raise UserError("access.keys", message, "tuppence serve key writes such lines")
        found[match[1]] = match[2]
    if not found:
        raise UserError("access.keys", f"{where}: has no key", "tuppence serve key adds one")
    return Keys(found)


def add_key(name: str, path: Path) -> None:
    """Append a new key to a file of keys, which is made if it is missing.

    Raises:
        UserError: The name is malformed, or already in the file.
    """
    line = f"{name} {secrets.token_urlsafe(32)}"
    if not _LINE.fullmatch(line):
        hint = "use up to 64 letters, digits, dots, dashes and underscores"
        raise UserError("access.keys", f"{name!r} is not a valid name of a key", hint)
    if path.exists() and name in read_keys(str(path)).secrets:
        raise UserError("access.keys", f"{path}: already has a key {name}", "choose another name")
    path.touch(mode=0o600)
    with path.open("a") as file:
        file.write(line + "\n")


def customer_token(keys: Keys, customer: str, now: int, seconds: int) -> str:
    """Return a token for a customer.

    Args:
        keys: The keys.
        customer: Name of the customer.
        now: The clock, in milliseconds since 1970-01-01.
        seconds: Life of the token.
    """
    name, secret = keys.signing
    issued = now // 1_000
    claims = {"sub": customer, "aud": AUDIENCE, "iat": issued, "exp": issued + seconds}
    return jwt.encode(claims, secret, _ALGORITHM, {"kid": name})


class _TokenError(ValueError):
    """Raised for a token that no known key has signed, or that names no customer."""


class Verified:
    """The claims of tokens whose signatures were verified: an app sends a token many times.

    Args:
        keys: The keys.
    """

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self.claims = functools.lru_cache(MAX_VERIFIED)(self._verified)  # keeps no error

    def _verified(self, token: str) -> Claims:
        try:
            secret = self._keys.secrets[_JWS.get_unverified_header(token)["kid"]]
            claims = _CLAIMS.decode(_JWS.decode(token, secret, [_ALGORITHM]))
        except (jwt.PyJWTError, KeyError, TypeError, ValueError, msgspec.DecodeError):
            raise _TokenError from None
        audience = [claims.aud] if isinstance(claims.aud, str) else claims.aud
        if AUDIENCE not in audience or why_not_identifier(claims.sub) is not None:
            raise _TokenError
        return claims


def customer_of(verified: Verified, token: str, now: int) -> str | None:
    """Return the customer that a token names; None if it is not valid.

    Args:
        verified: The tokens that are known already.
        token: The token.
        now: The clock, in milliseconds since 1970-01-01.
    """
    try:
        claims = verified.claims(token)
    except _TokenError:
        return None
    # The clock is an argument here, so times are checked here and not by the library.
    seconds, issued, expires = now // 1_000, claims.iat, claims.exp
    begun = max(issued, claims.nbf) <= seconds + AHEAD_SECONDS
    in_time = begun and seconds < expires <= issued + MAX_TOKEN_SECONDS
    return claims.sub if in_time else None


def signed_view(keys: Keys, customer: str, view: View) -> ViewAnswer:
    """Return a signed record of what a customer is shown, for them to send back with events.

    So the service need not keep what nobody has seen, and reading a feed changes nothing.
    """
    name, secret = keys.signing
    content = ShownView(customer, view).content
    header = {"kid": name, "typ": _RECEIPT}
    return ViewAnswer(view_id(content), _JWS.encode(content, secret, _ALGORITHM, header))


def read_receipt(keys: Keys, customer: str, receipt: str) -> tuple[str, View]:
    """Return the view of a receipt, preceded by its identifier.

    Raises:
        UserError: `feed.receipt`: this service has not signed it for this customer.
    """
    try:
        header = _JWS.get_unverified_header(receipt)
        if header.get("typ") != _RECEIPT:
            raise _not_signed()
        secret = keys.secrets[header["kid"]]
        content = _JWS.decode(receipt, secret, [_ALGORITHM])
        found = msgspec.json.decode(content, type=ShownView)
    except (jwt.PyJWTError, KeyError, TypeError, ValueError, msgspec.DecodeError):
        raise _not_signed() from None
    if found.customer != customer:
        raise _not_signed()
    return view_id(content), found.view


def _not_signed() -> UserError:
    message = "a receipt was not signed by this service for this customer"
    return UserError("feed.receipt", message, "send receipts as the feed gave them")


class Customer(BaseUser):
    """A customer who reads their feed.

    Attributes:
        customer: Name of the customer.
        log_name: The name of every customer in logs.
    """

    log_name: Final = "a customer"

    def __init__(self, customer: str) -> None:
        self.customer = customer

    @property
    def is_authenticated(self) -> bool:
        """Always true."""
        return True

    @property
    def display_name(self) -> str:
        """The name that limits are counted by."""
        return f"customer {self.customer}"


class FeedAccess(AuthenticationBackend):
    """Authenticates customers by signed tokens, and operators as other services do callers.

    Args:
        keys: Keys of customers' tokens.
        operators: Names of operators by the digest of their token.
        clock: Returns the time, in milliseconds since 1970-01-01.
    """

    def __init__(self, keys: Keys, operators: Mapping[str, str], clock: Callable[[], int]) -> None:
        self._verified = Verified(keys)
        self._operators = BearerTokens(operators)
        self._clock = clock

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, BaseUser] | None:
        """Return who sends a request, or None for a path that needs no token.

        Raises:
            AuthenticationError: There is no token, more than one, or one that is not valid.
        """
        path: str = conn.scope["path"]
        if path in OPEN_PATHS or path.startswith(UNSUBSCRIBE_PATH):
            return None
        headers = conn.headers.getlist("authorization")
        scheme, _, token = (headers[0] if len(headers) == 1 else "").partition(" ")
        if token.count(".") != 2:
            found = await self._operators.authenticate(conn)
            return found and (AuthCredentials([_OPERATOR]), found[1])
        customer = customer_of(self._verified, token.strip(), self._clock())
        if scheme.lower() != "bearer" or customer is None:
            raise AuthenticationError
        return AuthCredentials([_CUSTOMER]), Customer(customer)


def customer_in(conn: HTTPConnection) -> str:
    """Return the customer who sends a request.

    Raises:
        UserError: `access.forbidden`: it is sent by an operator.
    """
    user = conn.user
    if not isinstance(user, Customer):
        message = "this needs a token of a customer"
        raise UserError("access.forbidden", message, "tuppence serve customer-token makes one")
    return user.customer


def operator_in(conn: HTTPConnection) -> str:
    """Return the operator who sends a request.

    Raises:
        UserError: `access.forbidden`: it is sent by a customer.
    """
    if _OPERATOR not in conn.auth.scopes:
        message = "this needs a token of an operator"
        raise UserError("access.forbidden", message, "tuppence serve token makes one")
    name: str = conn.user.display_name
    return name
