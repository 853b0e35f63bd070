# SPDX-License-Identifier: Apache-2.0
"""Tokens: Google's own client library gets one by every kind of credential, and uses it."""
from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import google.auth.exceptions
import google.auth.transport.requests
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa as other_rsa
from emu import Emulator
from google.auth import identity_pool, jwt
from google.auth.compute_engine import _metadata
from google.auth.crypt import RSASigner
from google.oauth2 import credentials as oauth2
from google.oauth2 import service_account

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
KINDS = ["service_account", "authorized_user", "external_account", "external_account_impersonated"]


def account(emulator: Emulator) -> dict[str, Any]:
    path = Path(emulator.where["credentials"]["service_account"])
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def grant(emulator: Emulator, claims: dict[str, Any], kid: str | None = None, pem: str = ""
          ) -> tuple[int, dict[str, Any]]:
    key = account(emulator)
    signer = RSASigner.from_string(pem or key["private_key"], kid or key["private_key_id"])
    answer = emulator.http.post(emulator.where["token_uri"], data={
        "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "assertion": jwt.encode(signer, claims).decode()})
    return answer.status_code, answer.json()


def claims(emulator: Emulator, **change: Any) -> dict[str, Any]:
    now = int(time.time())
    return {"iat": now, "exp": now + 3600, "iss": account(emulator)["client_email"],
            "aud": "https://oauth2.googleapis.com/token", "scope": SCOPE, **change}


def load(source: dict[str, Any]) -> Any:
    if source["type"] == "service_account":
        return service_account.Credentials.from_service_account_info(source, scopes=[SCOPE])
    if source["type"] == "external_account":
        return identity_pool.Credentials.from_info(source, scopes=[SCOPE])
    return oauth2.Credentials.from_authorized_user_info(source, scopes=[SCOPE])


@pytest.fixture(autouse=True)
def token_endpoint(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of authorized users it is a constant there."""
    monkeypatch.setattr(oauth2, "_GOOGLE_OAUTH2_TOKEN_ENDPOINT", emulator.where["token_uri"])


@pytest.mark.parametrize("kind", KINDS)
def test_googles_client_gets_a_token_by(emulator: Emulator, kind: str) -> None:
    credentials = load(json.loads(Path(emulator.where["credentials"][kind]).read_text()))
    credentials.refresh(google.auth.transport.requests.Request())
    emulator.settings(strict_tokens=True)
    assert emulator.call("GET", "", token=credentials.token).status_code == 200
    assert emulator.call("GET", "", token="made-up").status_code == 401
    assert credentials.token not in str(emulator.log())


def test_googles_client_asks_the_metadata_server(emulator: Emulator,
                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GCE_METADATA_IP", emulator.where["metadata"])
    # GCE_METADATA_HOST is read when the module is loaded.
    monkeypatch.setattr(_metadata, "_GCE_METADATA_HOST", emulator.where["metadata"])
    request = google.auth.transport.requests.Request()
    assert _metadata.ping(request)
    assert _metadata.get_project_id(request) == "my-project"
    token, _ = _metadata.get_service_account_token(request, "default")
    emulator.settings(strict_tokens=True)
    assert emulator.call("GET", "", token=token).status_code == 200


def test_the_metadata_server_wants_its_header(emulator: Emulator) -> None:
    url = (f"http://{emulator.where['metadata']}/computeMetadata/v1/instance/service-accounts/"
           "default/token")
    assert emulator.http.get(url).status_code == 403
    answer = emulator.http.get(url, headers={"Metadata-Flavor": "Google"})
    assert answer.headers["Metadata-Flavor"] == "Google" and answer.json()["expires_in"] > 0


@pytest.mark.parametrize("change", [
    {"iss": "nobody@example.com"}, {"aud": "https://example.com/"}, {"iat": 1, "exp": 3601},
    {"exp": 4000000000}])
def test_bad_claims(emulator: Emulator, change: dict[str, Any]) -> None:
    status, answer = grant(emulator, claims(emulator, **change))
    assert (status, answer["error"]) == (400, "invalid_grant")


def test_good_claims_and_bad_keys(emulator: Emulator) -> None:
    assert grant(emulator, claims(emulator))[0] == 200
    assert grant(emulator, claims(emulator, aud=emulator.where["token_uri"]))[0] == 200
    assert grant(emulator, claims(emulator), kid="other")[1]["error"] == "invalid_grant"
    pem = other_rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption()).decode()
    status, answer = grant(emulator, claims(emulator), pem=pem)
    assert (status, answer["error_description"]) == (400, "Invalid JWT Signature.")
    assert grant(emulator, claims(emulator, scope="email"))[1]["error"] == "invalid_scope"


def test_a_self_signed_jwt_is_a_token(emulator: Emulator) -> None:
    key = account(emulator)
    signer = RSASigner.from_string(key["private_key"], key["private_key_id"])
    own = {"iss": key["client_email"], "sub": key["client_email"]}
    good = claims(emulator, aud="https://compute.googleapis.com/", **own)
    del good["scope"]
    token = jwt.encode(signer, good).decode()
    assert emulator.call("GET", "", token=token).status_code == 200
    assert emulator.call("GET", "", token=token[:-8] + "AAAAAAAA").status_code == 401
    good["aud"] = "https://example.com/"
    assert emulator.call("GET", "", token=jwt.encode(signer, good).decode()).status_code == 401


def test_tokens_run_out(emulator: Emulator) -> None:
    emulator.settings(token_lifetime=0)
    token = grant(emulator, claims(emulator))[1]["access_token"]
    answer = emulator.call("GET", "", token=token)
    assert answer.status_code == 401
    assert answer.json()["error"]["errors"][0]["reason"] == "authError"
    emulator.settings(token_lifetime=3599)
    token = grant(emulator, claims(emulator))[1]["access_token"]
    assert emulator.call("GET", "", token=token).status_code == 200
    emulator.admin("POST", "tokens", {"revoke": True})
    assert emulator.call("GET", "", token=token).status_code == 401


def test_a_revoked_refresh_token(emulator: Emulator) -> None:
    source = json.loads(Path(emulator.where["credentials"]["authorized_user"]).read_text())
    credentials = load({**source, "refresh_token": "1//other"})
    with pytest.raises(google.auth.exceptions.RefreshError, match="revoked"):
        credentials.refresh(google.auth.transport.requests.Request())


def test_credential_files_are_private(emulator: Emulator) -> None:
    for kind in KINDS:
        assert os.stat(emulator.where["credentials"][kind]).st_mode & 0o077 == 0
