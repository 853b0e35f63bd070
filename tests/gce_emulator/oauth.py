# SPDX-License-Identifier: Apache-2.0
"""Access tokens: given out for a signed JWT, a refresh token, a subject token or through
impersonation; checked on every request of the API."""
from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from . import rsa
from .errors import ApiError
from .httpd import Request, Response
from .settings import Settings

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
AUDIENCE = "https://oauth2.googleapis.com/token"
SCOPES = {"https://www.googleapis.com/auth/cloud-platform",
          "https://www.googleapis.com/auth/compute"}
SKEW = 300


class TokenError(Exception):
    def __init__(self, code: str, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.code, self.text, self.status = code, text, status


@dataclass
class Key:
    email: str
    kid: str
    numbers: tuple[int, int]


@dataclass
class Token:
    user: str
    expires: float


class Tokens:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._keys: dict[str, Key] = {}
        self._tokens: dict[str, Token] = {}
        self._revoked: set[str] = set()
        self.refresh_tokens: dict[str, str] = {}  # refresh token → user
        self.subjects: set[str] = set()  # good subject tokens; empty: any
        self.own_uri = ""  # the token endpoint as it is reached here

    def add_key(self, source: dict[str, Any]) -> None:
        pem = source.get("public_key") or source["private_key"]
        key = Key(source["client_email"], source["private_key_id"], rsa.public_numbers(pem))
        self._keys[key.email] = key

    def issue(self, user: str) -> dict[str, Any]:
        token = f"ya29.SIMULATED.{secrets.token_urlsafe(24)}"
        lifetime = self._settings.token_lifetime
        self._tokens[token] = Token(user, time.time() + lifetime)
        return {"access_token": token, "expires_in": lifetime, "token_type": "Bearer"}

    def revoke(self) -> None:
        self._revoked.update(self._tokens)
        self._tokens.clear()

    def check(self, header: str) -> str:
        """Who it is; 401 when the token is not good."""
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise ApiError(401, "required", "Request is missing required authentication "
                           "credential. Expected OAuth 2 access token, login cookie or other valid "
                           "authentication credential.", location="Authorization",
                           locationType="header")
        token = token.strip()
        known = self._tokens.get(token)
        if known is not None and known.expires > time.time():
            return known.user
        if known is None and token.count(".") == 2 and token.startswith("eyJ"):
            return self._self_signed(token)
        if known is not None or token in self._revoked or self._settings.strict_tokens:
            raise self._bad()
        return "simulated@example.com"

    @staticmethod
    def _bad() -> ApiError:
        return ApiError(401, "authError", "Invalid Credentials", location="Authorization",
                        locationType="header")

    def _self_signed(self, token: str) -> str:
        try:
            key, claims = self._verified(token)
        except TokenError:
            raise self._bad() from None
        scoped = bool(SCOPES & set(str(claims.get("scope", "")).split()))
        if claims.get("aud") != "https://compute.googleapis.com/" and not scoped:
            raise self._bad()
        if claims.get("sub") != key.email:
            raise self._bad()
        return key.email

    def _verified(self, token: str) -> tuple[Key, dict[str, Any]]:
        try:
            header, claims, signed, signature = rsa.parse_jwt(token)
        except ValueError:
            raise TokenError("invalid_grant", "Invalid JWT.") from None
        key = self._keys.get(str(claims.get("iss")))
        if key is None:
            raise TokenError("invalid_grant", "Invalid grant: account not found")
        if header.get("alg") != "RS256" or header.get("kid", key.kid) != key.kid:
            raise TokenError("invalid_grant", "Invalid JWT Signature.")
        if not rsa.verify(key.numbers, signed, signature):
            raise TokenError("invalid_grant", "Invalid JWT Signature.")
        issued, expires, now = claims.get("iat", 0), claims.get("exp", 0), time.time()
        if not issued - SKEW <= now <= expires + SKEW or expires - issued > 3600:
            raise TokenError("invalid_grant", "Invalid JWT: Token must be a short-lived token "
                             "(60 minutes) and in a reasonable timeframe. Check your iat and exp "
                             "values in the JWT claim.")
        return key, claims

    def token_endpoint(self, request: Request) -> Response:
        """POST /token, form encoded."""
        form = {key: values[0] for key, values in parse_qs(request.body.decode()).items()}
        try:
            return Response.of(self._grant(form))
        except TokenError as error:
            return Response.of({"error": error.code, "error_description": error.text},
                               error.status)

    def _grant(self, form: dict[str, str]) -> dict[str, Any]:
        kind = form.get("grant_type")
        if kind == JWT_BEARER:
            key, claims = self._verified(form.get("assertion", ""))
            if claims.get("aud") not in (AUDIENCE, self.own_uri):
                raise TokenError("invalid_grant", "Invalid JWT: wrong audience.")
            if not SCOPES & set(str(claims.get("scope", "")).split()):
                raise TokenError("invalid_scope", "Invalid OAuth scope or ID token audience "
                                 "provided.")
            return self.issue(key.email)
        if kind == "refresh_token":
            user = self.refresh_tokens.get(form.get("refresh_token", ""))
            if user is None:
                raise TokenError("invalid_grant", "Token has been expired or revoked.")
            if not form.get("client_id") or not form.get("client_secret"):
                raise TokenError("invalid_client", "The OAuth client was not found.", 401)
            return self.issue(user)
        raise TokenError("unsupported_grant_type", f"Invalid grant_type: {kind}")

    def exchange(self, request: Request) -> Response:
        """POST /v1/token of the security token service."""
        form = {key: values[0] for key, values in parse_qs(request.body.decode()).items()}
        needed = ("audience", "scope", "requested_token_type", "subject_token",
                  "subject_token_type")
        missing = [name for name in needed if not form.get(name)]
        if form.get("grant_type") != EXCHANGE or missing:
            return Response.of({"error": "invalid_request", "error_description":
                                f"Missing or bad: {', '.join(missing or ['grant_type'])}"}, 400)
        if self.subjects and form["subject_token"] not in self.subjects:
            return Response.of({"error": "invalid_grant", "error_description":
                                "The given credential is rejected."}, 400)
        made = self.issue(f"principal:{form['audience']}")
        made["issued_token_type"] = "urn:ietf:params:oauth:token-type:access_token"
        return Response.of(made)
