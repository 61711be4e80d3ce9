"""An identity provider with OpenID Connect, for tests: it signs in whoever is named."""

import base64
import hashlib
import secrets
from typing import Any

from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route


class IdentityProvider:
    """A provider; attributes may be changed between sign-ins to have it misbehave.

    Attributes:
        issuer: Its address.
        claims: Claims that replace those that it would state.
        says: Metadata that replaces what it would say of itself.
    """

    def __init__(self, now: int) -> None:
        self.issuer = ""
        self.claims: dict[str, Any] = {"sub": "u-17", "name": "Ada", "groups": ["insights"]}
        self.says: dict[str, Any] = {}
        self.key = RSAKey.generate_key(2048, {"kid": "k1", "use": "sig", "alg": "RS256"})
        self.signs_with = self.key
        self._now = now
        self._codes: dict[str, dict[str, str]] = {}
        self.app = Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self._metadata),
                Route("/authorize", self._authorize),
                Route("/token", self._token, methods=["POST"]),
                Route("/jwks", self._keys),
            ]
        )

    async def _metadata(self, _: Request) -> Response:
        where = {
            "authorization_endpoint": "/authorize", "token_endpoint": "/token", "jwks_uri": "/jwks",
        }  # fmt: skip
        found = {name: f"{self.issuer}{path}" for name, path in where.items()}
        return JSONResponse(
            {
                "issuer": self.issuer,
                **found,
                "response_types_supported": ["code"],
                "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
                "code_challenge_methods_supported": ["S256"],
                **self.says,
            }
        )

    async def _authorize(self, request: Request) -> Response:
        asked = dict(request.query_params)
        assert asked["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe()
        self._codes[code] = asked
        return RedirectResponse(f"{asked['redirect_uri']}?code={code}&state={asked['state']}")

    async def _token(self, request: Request) -> Response:
        body = (await request.body()).decode()
        fields = dict(part.split("=", 1) for part in body.split("&"))
        asked = self._codes.pop(fields["code"], None)
        proof = hashlib.sha256(fields.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(proof).rstrip(b"=").decode()
        if asked is None or challenge != asked["code_challenge"]:
            return JSONResponse({"error": "invalid_grant"}, 400)
        claims = {
            "iss": self.issuer, "aud": "tuppence", "nonce": asked["nonce"], "iat": self._now,
            "exp": self._now + 600, **self.claims,
        }  # fmt: skip
        token = jwt.encode({"alg": "RS256", "kid": "k1"}, claims, self.signs_with)
        return JSONResponse({"access_token": "a", "token_type": "Bearer", "id_token": token})

    async def _keys(self, _: Request) -> Response:
        return JSONResponse({"keys": [self.key.as_dict(private=False)]})
