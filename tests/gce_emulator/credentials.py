# SPDX-License-Identifier: Apache-2.0
"""Credential files of every kind that point at this emulator, each good for a token."""
from __future__ import annotations

import json
import secrets
import subprocess
from pathlib import Path
from typing import Any

from .oauth import Tokens


def write(folder: Path, tokens: Tokens, root: str, project: str) -> dict[str, str]:
    """The files' paths by kind. The RSA key is made with openssl."""
    folder.mkdir(parents=True, exist_ok=True)
    key = subprocess.run(["openssl", "genpkey", "-quiet", "-algorithm", "RSA", "-pkeyopt",
                          "rsa_keygen_bits:2048"], capture_output=True, text=True)
    if key.returncode != 0:  # before OpenSSL 3.0.8 there is no -quiet
        key = subprocess.run(["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt",
                              "rsa_keygen_bits:2048"], capture_output=True, text=True, check=True)
    email = f"robot@{project}.iam.gserviceaccount.com"
    account = {"type": "service_account", "project_id": project, "client_email": email,
               "private_key_id": secrets.token_hex(20), "private_key": key.stdout,
               "client_id": "100000000000000000001", "token_uri": f"{root}/token"}
    tokens.add_key(account)
    refresh = f"1//SIMULATED-{secrets.token_urlsafe(16)}"
    tokens.refresh_tokens[refresh] = "user@example.com"
    user = {"type": "authorized_user", "client_id": "simulated.apps.googleusercontent.com",
            "client_secret": secrets.token_hex(8), "refresh_token": refresh,
            "token_uri": f"{root}/token", "quota_project_id": project}
    subject = folder / "subject.txt"
    subject.write_text(secrets.token_urlsafe(24))
    tokens.subjects.add(subject.read_text())
    external: dict[str, Any] = {
        "type": "external_account", "audience": "//iam.googleapis.com/projects/1/locations/global/"
        "workloadIdentityPools/pool/providers/provider", "subject_token_type":
        "urn:ietf:params:oauth:token-type:jwt", "token_url": f"{root}/v1/token",
        "credential_source": {"file": str(subject.absolute())}}
    impersonated = {**external, "service_account_impersonation_url":
                    f"{root}/v1/projects/-/serviceAccounts/{email}:generateAccessToken"}
    made = {}
    for name, value in (("service_account", account), ("authorized_user", user),
                        ("external_account", external),
                        ("external_account_impersonated", impersonated)):
        path = folder / f"{name}.json"
        path.touch(mode=0o600)
        path.write_text(json.dumps(value, indent=1))
        made[name] = str(path.absolute())
    token = folder / "access-token"
    token.touch(mode=0o600)
    token.write_text(str(tokens.issue("user@example.com")["access_token"]))
    made["access_token"] = str(token.absolute())
    return made
