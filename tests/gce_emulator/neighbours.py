# SPDX-License-Identifier: Apache-2.0
"""The other Google APIs that a client of Compute Engine meets: tokens, impersonation, permissions,
enabled services, quotas by GPU family."""
from __future__ import annotations

import datetime
import re
from typing import Any

from .errors import ApiError, not_found
from .httpd import Request, Response
from .oauth import Tokens
from .world import World

TEST_IAM = re.compile(r"/v[13]/projects/([^/:]+):testIamPermissions")
SERVICE = re.compile(r"/v1/projects/([^/]+)/services/([^/]+)")
IMPERSONATE = re.compile(r"/v1/projects/-/serviceAccounts/([^/:]+):generateAccessToken")
QUOTA_INFOS = re.compile(r"/v1/projects/([^/]+)/locations/global/services/compute\.googleapis\.com"
                         r"/quotaInfos(/GPUS-PER-GPU-FAMILY-per-project-region)?")


class Neighbours:
    def __init__(self, world: World, tokens: Tokens) -> None:
        self._world, self._tokens = world, tokens

    async def handle(self, request: Request) -> Response:
        path = request.path
        if request.method == "POST" and path == "/token":
            return self._tokens.token_endpoint(request)
        if request.method == "POST" and path == "/v1/token":
            return self._tokens.exchange(request)
        user = self._tokens.check(request.headers.get("authorization", ""))
        for method, pattern, answer in (("POST", TEST_IAM, self._test_permissions),
                                        ("GET", SERVICE, self._service),
                                        ("POST", IMPERSONATE, self._impersonate),
                                        ("GET", QUOTA_INFOS, self._quota_infos)):
            match = pattern.fullmatch(path)
            if match is not None and request.method == method:
                return Response.of(answer(match, request.json(), user))
        raise not_found(path)

    def _known(self, project: str) -> None:
        if project not in self._world.projects:
            raise ApiError(403, "forbidden", "The caller does not have permission")

    def _test_permissions(self, match: re.Match[str], body: Any, user: str) -> Any:
        self._known(match[1])
        asked = (body or {}).get("permissions", [])
        granted = [name for name in asked if name not in self._world.settings.denied_permissions]
        return {"permissions": granted} if granted else {}

    def _service(self, match: re.Match[str], body: Any, user: str) -> Any:
        self._known(match[1])
        number = self._world.projects[match[1]].number
        off = self._world.settings.api_disabled and match[2] == "compute.googleapis.com"
        return {"name": f"projects/{number}/services/{match[2]}", "parent": f"projects/{number}",
                "state": "DISABLED" if off else "ENABLED", "config": {"name": match[2]}}

    def _impersonate(self, match: re.Match[str], body: Any, user: str) -> Any:
        if not (body or {}).get("scope"):
            raise ApiError(400, "badRequest", "scope: at least one is required")
        made = self._tokens.issue(match[1])
        end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(
            seconds=made["expires_in"])
        return {"accessToken": made["access_token"],
                "expireTime": end.strftime("%Y-%m-%dT%H:%M:%SZ")}

    def _quota_infos(self, match: re.Match[str], body: Any, user: str) -> Any:
        self._known(match[1])
        project = self._world.projects[match[1]]
        families = self._world.catalogue.quotas["families"]
        found = [{"dimensions": {"gpu_family": metric, "region": region},
                  "details": {"value": str(int(limit))}, "applicableLocations": [region]}
                 for (region, metric), limit in sorted(project.limits.items())
                 if metric in families]
        info = {
            "name": f"projects/{project.number}/locations/global/services/compute.googleapis.com/"
                    "quotaInfos/GPUS-PER-GPU-FAMILY-per-project-region",
            "quotaId": "GPUS-PER-GPU-FAMILY-per-project-region",
            "metric": "compute.googleapis.com/gpus_per_gpu_family",
            "service": "compute.googleapis.com", "containerType": "PROJECT",
            "dimensions": ["gpu_family", "region"], "dimensionsInfos": found}
        return info if match[2] else {"quotaInfos": [info]}
