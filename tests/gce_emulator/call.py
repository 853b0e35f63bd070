# SPDX-License-Identifier: Apache-2.0
"""One request of the API on its way through the emulator, and the table of routes."""
from __future__ import annotations

import json
import re
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote

from .errors import ApiError, invalid, not_found
from .ids import Scope
from .operations import Start

if TYPE_CHECKING:
    from .world import Project, World

Json = dict[str, Any]


@dataclass
class Call:
    world: World
    method: str
    path: str  # below /compute/v1/
    params: dict[str, str]
    query: dict[str, str]
    body: Any
    user: str = "simulated@example.com"

    def __post_init__(self) -> None:
        # What the same request has again; taken before a handler makes the body its own.
        self._digest = (self.method, self.path, json.dumps(self.body, sort_keys=True))

    @property
    def project(self) -> Project:
        return self.world.project(self.params["project"])

    @property
    def zone(self) -> str:
        return self.params["zone"]

    @property
    def scope(self) -> Scope:
        if "zone" in self.params:
            return Scope(self.params["project"], "zones", self.params["zone"])
        if "region" in self.params:
            return Scope(self.params["project"], "regions", self.params["region"])
        return Scope(self.params["project"], "global")

    def object(self) -> Json:
        """The body, which must be a JSON object."""
        if not isinstance(self.body, dict):
            raise ApiError(400, "required", "Required field 'resource' not specified")
        return self.body

    def start(self, start: Start) -> Json:
        """Starts an operation, and remembers it under the request's id."""
        request_id = self.query.get("requestId")
        operation = self.world.operations.start(start, request_id, self.user)
        if request_id:
            self.project.request_ids[request_id.lower()] = (self._digest, operation.resource)
        return dict(operation.resource)

    def repeated(self) -> Json | None:
        """The operation that an earlier request of this id started."""
        text = self.query.get("requestId")
        if not text or self.method == "GET":
            return None
        try:
            parsed = uuid.UUID(text)
        except ValueError:
            parsed = uuid.UUID(int=0)
        if parsed.int == 0 or len(text) != 36:
            raise invalid("requestId", text, "Must be a valid UUID, and not the zero UUID.")
        known = self.project.request_ids.get(text.lower())
        if known is None:
            return None
        if known[0] != self._digest:
            # What the real API does is not documented; a test must notice.
            raise invalid("requestId", text, "SIMULATED: it was used for another request before.")
        return dict(known[1])


def without_nulls(value: Any) -> Any:
    """In a request null is the same as absent."""
    if isinstance(value, dict):
        return {key: without_nulls(entry) for key, entry in value.items() if entry is not None}
    return [without_nulls(entry) for entry in value] if isinstance(value, list) else value


Answer = Json | Awaitable[Json]


class Route(NamedTuple):
    method: str
    template: str  # "projects/{project}/zones/{zone}/instances"
    handler: Callable[[Call], Answer]
    permission: str | None = None


class Router:
    def __init__(self, routes: list[Route]) -> None:
        self._routes: dict[tuple[str, int], list[tuple[re.Pattern[str], Route]]] = {}
        for route in routes:
            key = (route.method, route.template.count("/"))
            pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", route.template)
            self._routes.setdefault(key, []).append((re.compile(pattern), route))

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]]:
        for pattern, route in self._routes.get((method, path.count("/")), []):
            match = pattern.fullmatch(path)
            if match:
                return route, {key: unquote(value) for key, value in match.groupdict().items()}
        raise not_found(path)
