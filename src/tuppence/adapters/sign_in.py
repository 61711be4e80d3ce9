"""Sign-in at an identity provider by OpenID Connect, with PKCE."""

import threading
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.base_client.sync_app import OAuth2Mixin
from authlib.integrations.base_client.sync_openid import OpenIDMixin
from authlib.integrations.httpx_client import OAuth2Client
from joserfc.errors import JoseError

from tuppence.errors import UserError
from tuppence.usecases.team import Begun, Person
from tuppence.usecases.team_policy import SignIn

ALGORITHMS: Final = frozenset({"RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"})
"""Signatures of identities that are accepted: those whose keys only the provider has."""
_ENDPOINTS: Final = ("authorization_endpoint", "token_endpoint", "jwks_uri")
"""Addresses that a provider must state."""
TIMEOUT: Final = 10.0
"""Seconds that the provider has for an answer."""


class _Client(OAuth2Mixin, OpenIDMixin):  # type: ignore[misc] # the package has no types
    client_cls = OAuth2Client


class OpenIdProvider:
    """An identity provider. Implements the port Provider.

    Args:
        settings: The provider, and the roles that its groups give.
        secret: The secret of the console there.
    """

    def __init__(self, settings: SignIn, secret: str) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._client: Any = _Client(
            None,
            name="provider",
            client_id=settings.client,
            client_secret=secret,
            server_metadata_url=f"{settings.issuer.rstrip('/')}/.well-known/openid-configuration",
            client_kwargs={
                "scope": "openid profile",
                "code_challenge_method": "S256",
                "timeout": TIMEOUT,
            },
        )

    def __str__(self) -> str:
        return urlsplit(self._settings.issuer).hostname or ""

    def begin(self, callback: str) -> Begun:
        """Begin a sign-in.

        Raises:
            UserError: `sign-in.provider`: the provider cannot be reached.
        """
        self._read_metadata()
        found = self._client.create_authorization_url(callback)
        return Begun(found["url"], found["state"], found["nonce"], found["code_verifier"])

    def finish(self, callback: str, code: str, begun: Begun) -> Person:
        """Return who has signed in.

        Raises:
            UserError: `sign-in.refused`: the code or the stated identity is not valid, or the
                person is in none of the groups.
        """
        metadata = self._read_metadata()
        known = {
            "iss": {"essential": True, "values": [metadata["issuer"]]},
            "aud": {"essential": True, "value": self._settings.client},
        }
        try:
            token = self._client.fetch_access_token(
                redirect_uri=callback, code=code, code_verifier=begun.verifier
            )
            claims = self._client.parse_id_token(token, begun.nonce, known)
        except (httpx2.HTTPError, OSError) as error:
            raise self._unreachable(error) from None
        except (AuthlibBaseError, JoseError, ValueError, KeyError):
            claims = None
        if not claims:
            message = f"{self} has not confirmed who you are"
            raise UserError("sign-in.refused", message, "sign in again")
        return self._person(claims)

    def _person(self, claims: Any) -> Person:
        groups = claims.get(self._settings.groups, [])
        groups = [groups] if isinstance(groups, str) else groups
        known = self._settings.roles
        roles = frozenset(
            known[one] for one in groups if isinstance(one, str) and one in known
        ) if isinstance(groups, list) else frozenset()  # fmt: skip
        subject = str(claims["sub"])
        if not roles:
            message = "you are in no group that may use this console"
            raise UserError("sign-in.refused", message, f"ask whoever manages groups at {self}")
        shown = str(claims.get("name") or claims.get("email") or subject)[:100]
        return Person(self._settings.issuer, subject, shown, roles)

    def _read_metadata(self) -> Any:
        """Return what the provider says of itself.

        Raises:
            UserError: `sign-in.provider`: it cannot be reached, or says it is another one.
        """
        with self._lock:
            try:
                found = self._client.load_server_metadata()
            except (httpx2.HTTPError, OSError, ValueError) as error:
                raise self._unreachable(error) from None
            if str(found.get("issuer", "")).rstrip("/") != self._settings.issuer.rstrip("/"):
                found.pop("_loaded_at", None)  # Authlib would keep it; it is asked for again
                message = f"{self} says that its issuer is {str(found.get('issuer'))[:200]!r}"
                raise UserError("sign-in.provider", message, "correct issuer in the team's file")
            lacking = [one for one in _ENDPOINTS if not found.get(one)]
            if lacking:
                found.pop("_loaded_at", None)
                message = f"{self} does not say its {lacking[0]}"
                raise UserError("sign-in.provider", message, "have its administrator look at it")
            offered = found.get("id_token_signing_alg_values_supported") or ["RS256"]
            safe = [one for one in offered if one in ALGORITHMS]
            if not safe:
                found.pop("_loaded_at", None)
                message = f"{self} signs identities by {', '.join(map(str, offered))[:200]}"
                hint = f"have it sign by one of {', '.join(sorted(ALGORITHMS))}"
                raise UserError("sign-in.provider", message, hint)
            found["id_token_signing_alg_values_supported"] = safe
        return found

    def _unreachable(self, error: Exception) -> UserError:
        message = f"{self} cannot be reached: {type(error).__name__}"
        return UserError("sign-in.provider", message, "try again in a minute")
