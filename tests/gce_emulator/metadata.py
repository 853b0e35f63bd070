# SPDX-License-Identifier: Apache-2.0
"""The metadata server, for clients that look for their credentials there."""
from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from .httpd import Request, Response
from .oauth import SCOPES, Tokens
from .world import World

FLAVOR = {"Metadata-Flavor": "Google"}


class MetadataServer:
    def __init__(self, world: World, tokens: Tokens) -> None:
        self._world, self._tokens = world, tokens

    async def handle(self, request: Request) -> Response | None:
        if not self._world.settings.on_metadata_server:
            return Response(503, reset=True)
        if request.path.strip("/") == "":
            return self._text("computeMetadata/\n")
        if request.headers.get("metadata-flavor") != "Google":
            return Response(403, b"Missing Metadata-Flavor:Google header.\n",
                            {"Content-Type": "text/html", **FLAVOR})
        if request.headers.get("x-forwarded-for"):
            return Response(403, b"No forwarded requests.\n", dict(FLAVOR))
        value = self._find(request)
        if value is None:
            return Response(404, b"Not found\n", {"Content-Type": "text/html", **FLAVOR})
        if isinstance(value, str):
            return self._text(value)
        return Response.of(value, 200, Metadata_Flavor="Google")

    @staticmethod
    def _text(text: str) -> Response:
        return Response(200, text.encode(), {"Content-Type": "application/text", **FLAVOR})

    def _find(self, request: Request) -> Any:
        path = unquote(request.path).strip("/")
        project = next(iter(self._world.projects.values()))
        email = f"{project.number}-compute@developer.gserviceaccount.com"
        base = "computeMetadata/v1/instance/service-accounts"
        if path == "computeMetadata/v1/project/project-id":
            return project.name
        if path == "computeMetadata/v1/project/numeric-project-id":
            return project.number
        if path == base:
            return f"default/\n{email}/\n"
        for account in ("default", email):
            whole = {"aliases": ["default"], "email": email, "scopes": sorted(SCOPES)}
            if path == f"{base}/{account}":
                return whole if request.query.get("recursive") == "true" else (
                    "aliases\nemail\nidentity\nscopes\ntoken\n")
            if path == f"{base}/{account}/email":
                return email
            if path == f"{base}/{account}/scopes":
                return "\n".join(sorted(SCOPES)) + "\n"
            if path == f"{base}/{account}/token":
                return self._tokens.issue(email)
        return None
