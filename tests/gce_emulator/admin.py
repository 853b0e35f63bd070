# SPDX-License-Identifier: Apache-2.0
"""/_emulator/…: what tests turn and read. Not part of any Google API."""
from __future__ import annotations

import re
from typing import Any

from .faults import FaultError
from .httpd import Request, Response
from .iap import Relay
from .oauth import Tokens
from .reqlog import RequestLog
from .resources import launch
from .world import Stock, World


class Admin:
    """GET state, log, faults, settings; POST faults, stock, quota, settings, preempt, keys, reset;
    DELETE faults, log."""

    def __init__(self, world: World, tokens: Tokens, log: RequestLog,
                 relay: Relay) -> None:
        self._relay = relay
        self._world, self._tokens, self._log = world, tokens, log

    async def handle(self, request: Request) -> Response:
        name = request.path.removeprefix("/_emulator/").strip("/")
        action = getattr(self, f"_{request.method.lower()}_{name}", None)
        if action is None or not re.fullmatch(r"[a-z]+", name):
            return Response.of({"error": f"no {request.method} {request.path}"}, 404)
        try:
            return Response.of(await action(request))
        except (FaultError, ValueError, KeyError, TypeError, re.error) as error:
            return Response.of({"error": repr(error)}, 400)

    async def _get_state(self, request: Request) -> Any:
        left = self._world.leftovers()
        return {
            "empty": not any(entry for project in left.values()
                             for key, entry in project.items() if key != "metadata"),
            "left": left, "unfinishedOperations": self._world.operations.unfinished(),
            "violations": self._world.violations,
            "projects": {name: {
                "metadata": project.metadata, "firewalls": list(project.firewalls.values()),
                "instances": [entry.resource for entry in project.instances.values()],
                "disks": list(project.disks.values()),
                "addresses": list(project.addresses.values())}
                for name, project in self._world.projects.items()}}

    async def _get_log(self, request: Request) -> Any:
        query = request.query
        return {"entries": self._log.find(query.get("method", ""), query.get("path", ""),
                                          int(query.get("since", "0")))}

    async def _delete_log(self, request: Request) -> Any:
        self._log.clear()
        return {}

    async def _get_faults(self, request: Request) -> Any:
        return {"faults": self._world.faults.state()}

    async def _post_faults(self, request: Request) -> Any:
        self._world.faults.add(request.json())
        return {"faults": self._world.faults.state()}

    async def _delete_faults(self, request: Request) -> Any:
        self._world.faults.clear()
        return {}

    async def _get_iap(self, request: Request) -> Any:
        return {"counts": self._relay.counts, "sessions": len(self._relay.sessions),
                "faults": self._relay.faults}

    async def _post_iap(self, request: Request) -> Any:
        """Faults of the relay, as iap.py lists them."""
        body = request.json()
        self._relay.faults += body if isinstance(body, list) else [body]
        return {}

    async def _post_stock(self, request: Request) -> Any:
        """{"zone", "accelerator", "count": N or null, "hidden": false}"""
        body = request.json()
        zones = self._world.catalogue.zones if body["zone"] == "*" else [body["zone"]]
        for zone in zones:
            self._world.stock[zone, body["accelerator"]] = Stock(body["count"],
                                                                 body.get("hidden", False))
        return {}

    async def _post_quota(self, request: Request) -> Any:
        """{"region": REGION or "global", "metric", "limit"; "project" when there are several}"""
        body = request.json()
        names = [body["project"]] if "project" in body else list(self._world.projects)
        for name in names:
            limits = self._world.projects[name].limits
            if (body["region"], body["metric"]) not in limits:
                raise ValueError(f"no quota {body['metric']} in {body['region']}")
            limits[body["region"], body["metric"]] = float(body["limit"])
        return {}

    async def _get_settings(self, request: Request) -> Any:
        return self._world.settings.as_dict()

    async def _post_settings(self, request: Request) -> Any:
        self._world.settings.update(request.json())
        return self._world.settings.as_dict()

    async def _post_preempt(self, request: Request) -> Any:
        """{"project", "zone", "name"}: a spot machine is taken back."""
        body = request.json()
        project = self._world.project(body["project"])
        instance = project.instances[body["zone"], body["name"]]
        launch.terminate(self._world, project, instance, None, "compute.instances.preempted")
        return {}

    async def _post_keys(self, request: Request) -> Any:
        """{"client_email", "private_key_id", "public_key" or "private_key": PEM}"""
        self._tokens.add_key(request.json())
        return {}

    async def _post_tokens(self, request: Request) -> Any:
        """{"revoke": true}: every token given out so far is bad from now on."""
        if request.json().get("revoke"):
            self._tokens.revoke()
        return {}

    async def _post_forget(self, request: Request) -> Any:
        """All request ids: an old one is a new request from now on."""
        for project in self._world.projects.values():
            project.request_ids.clear()
        return {}

    async def _post_reset(self, request: Request) -> Any:
        await self._world.reset()
        self._log.clear()
        self._relay.faults.clear()
        return {}
