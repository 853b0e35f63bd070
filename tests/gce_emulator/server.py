# SPDX-License-Identifier: Apache-2.0
"""Every request comes here: log, faults, authorization, checks, the route that answers."""
from __future__ import annotations

import inspect
import json
import traceback
from typing import Any

from . import batch, faults
from .admin import Admin
from .call import Call, Router, without_nulls
from .errors import ApiError, error_info
from .httpd import Request, Response
from .iap import Relay
from .neighbours import Neighbours
from .oauth import Tokens
from .reqlog import RequestLog
from .resources import routes
from .validate import Validator
from .world import World

COMPUTE = "/compute/v1/"


class Api:
    def __init__(self, world: World, tokens: Tokens, log: RequestLog,
                 validator: Validator | None, relay: Relay) -> None:
        self._relay = relay
        self.world, self.tokens, self.log, self.validator = world, tokens, log, validator
        self.admin = Admin(world, tokens, log, relay)
        self._neighbours = Neighbours(world, tokens)
        self._router = Router(routes())

    async def handle(self, request: Request) -> Response | None:
        """One HTTP request. Admin requests are neither logged nor made to fail."""
        if request.path.startswith("/_emulator/"):
            return await self.admin.handle(request)
        if request.path == "/batch/compute/v1" or request.path == "/batch":
            return await self._logged(request, lambda one: batch.handle(one, self.part))
        if request.path.startswith("/v4/"):
            return await self._tunnel(request)
        return await self._logged(request, self._answer)

    async def _tunnel(self, request: Request) -> Response | None:
        """A connection through IAP: logged when it begins, 101 when it became one."""
        entry = self.log.begin(request.method, request.target, request.headers, b"", False)
        self.log.end(entry, 101)
        response = await self._relay.handle(request)
        if response is not None:
            entry["status"] = response.status
        return response

    async def part(self, request: Request) -> Response:
        """One request out of a batch."""
        return await self._logged(request, self._answer, True)

    async def _logged(self, request: Request, answer: Any, part: bool = False) -> Response:
        entry = self.log.begin(request.method, request.target, request.headers, request.body, part)
        action = self.world.faults.for_request(request.method, request.target, request.body)
        response = faults.before(action) if action is not None else None
        if response is None:
            response = await self._guarded(request, answer)
            if action is not None:
                response = faults.after(action, response)
        self.log.end(entry, response.status, fault=action and action["kind"])
        return response

    async def _guarded(self, request: Request, answer: Any) -> Response:
        try:
            response: Response = await answer(request)
            return response
        except ApiError as error:
            headers = {"Retry-After": error.retry_after} if error.retry_after else {}
            return Response.of(error.body(), error.status, **headers)
        except Exception as error:
            self.world.violation(f"{request.method} {request.path}: {error!r}: "
                                 f"{traceback.format_exc()}")
            return Response.of(ApiError(500, "backendError", f"SIMULATED: the emulator failed: "
                                        f"{error!r}").body(), 500)

    async def _answer(self, request: Request) -> Response:
        if not request.path.startswith(COMPUTE):
            return await self._neighbour(request)
        user = self.tokens.check(request.headers.get("authorization", ""))
        try:
            body = without_nulls(request.json())
        except ValueError as error:
            raise ApiError(400, "parseError", f"Parse Error: {error}") from None
        route, params = self._router.find(request.method, request.path[len(COMPUTE):])
        self._check_request(request, body)
        self._check_rights(params, route.permission)
        call = Call(self.world, request.method, request.path[len(COMPUTE):], params,
                    request.query, body, user)
        self.world.check_place(params)
        answer = call.repeated() if request.method != "GET" else None
        if answer is None:
            made = route.handler(call)
            answer = await made if inspect.isawaitable(made) else made
        response = Response.of(answer)
        self._check_answer(request, response)
        return response

    async def _neighbour(self, request: Request) -> Response:
        described = not request.path.endswith("/token") and "/quotaInfos" not in request.path
        if described:
            self._check_request(request, without_nulls(request.json()))
        response = await self._neighbours.handle(request)
        if described:
            self._check_answer(request, response)
        return response

    def _check_rights(self, params: dict[str, str], permission: str | None) -> None:
        project, settings = params["project"], self.world.settings
        if project not in self.world.projects:
            if permission is not None and permission.startswith("compute.images."):
                return  # public
            raise ApiError(404, "notFound", f"The resource 'projects/{project}' was not found")
        if settings.api_disabled:
            number = self.world.projects[project].number
            raise ApiError(403, "accessNotConfigured", "Compute Engine API has not been used in "
                           f"project {number} before or it is disabled.", details=[error_info(
                               "SERVICE_DISABLED", "googleapis.com",
                               service="compute.googleapis.com", consumer=f"projects/{number}")])
        self.world.count_request(project)
        if permission in settings.denied_permissions:
            raise ApiError(403, "forbidden",
                           f"Required '{permission}' permission for 'projects/{project}'")

    def _check_request(self, request: Request, body: Any) -> None:
        """The real API refuses what it does not know too."""
        if self.validator is None:
            return
        wrong = self.validator.request(request.method, request.path, request.query, body)
        if wrong:
            self.world.violation(f"request {request.method} {request.target}: {'; '.join(wrong)}")
            raise ApiError(400, "badRequest", "SIMULATED: the request is not what the API "
                           f"describes: {'; '.join(wrong[:5])}")

    def _check_answer(self, request: Request, response: Response) -> None:
        """What the API does not describe must not leave the emulator: 500 instead."""
        if self.validator is None or response.status >= 400:
            return
        wrong = self.validator.answer(request.method, request.path, json.loads(response.body))
        if wrong:
            self.world.violation(f"answer to {request.method} {request.target}: "
                                 f"{'; '.join(wrong)}")
            raise ApiError(500, "backendError", "SIMULATED: the emulator's answer is not what the "
                           f"API describes: {'; '.join(wrong[:5])}")
