# SPDX-License-Identifier: Apache-2.0
"""Operations of the three scopes: started by mutations, run in the background, waited for."""
from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .backends.base import BackendError
from .errors import OperationError, not_found
from .ids import BASE, Scope, timestamp

if TYPE_CHECKING:
    from .world import World

Work = Callable[[], Awaitable[None]]
KEEP = 20000  # finished ones remembered; "limited retention"


async def nothing() -> None:
    return None


@dataclass
class Operation:
    resource: dict[str, Any]
    scope: Scope
    done: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class Start:
    """What a mutation starts."""

    scope: Scope
    kind: str  # operationType: "insert"
    target: str  # path below /compute/v1/
    target_id: str
    work: Work = nothing
    undo: Work = nothing  # after a failure
    halfway: Callable[[], None] | None = None
    group: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)
    latency: float | None = None


class Operations:
    def __init__(self, world: World) -> None:
        self._world = world
        self._all: dict[tuple[Scope, str], Operation] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, start: Start, request_id: str | None, user: str) -> Operation:
        number = self._world.ids.number()
        name = f"operation-{int(time.time() * 1000)}-{number[:13]}-{number[-8:]}"
        resource: dict[str, Any] = {
            "kind": "compute#operation", "id": number, "name": name,
            "operationType": start.kind, "status": "PENDING", "progress": 0, "user": user,
            "targetLink": BASE + start.target, "targetId": start.target_id,
            "insertTime": timestamp(), "selfLink": f"{BASE}{start.scope.path}/operations/{name}",
        }
        if start.scope.kind != "global":
            resource[start.scope.kind[:-1]] = BASE + start.scope.path
        if request_id:
            resource["clientOperationId"] = request_id
        if start.group:
            resource["operationGroupId"] = start.group
        resource.update(start.extra)
        operation = Operation(resource, start.scope)
        self._all[start.scope, name] = operation
        self._forget()
        task = asyncio.get_running_loop().create_task(self._run(operation, start))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return operation

    async def _run(self, operation: Operation, start: Start) -> None:
        resource = operation.resource
        fault = self._world.faults.for_operation(resource)
        latency = self._world.settings.latency_ms / 1000 if start.latency is None else start.latency
        if fault is not None and fault.latency is not None:
            latency = fault.latency
        try:
            await asyncio.sleep(latency * 0.3)
            resource.update(status="RUNNING", startTime=timestamp())
            if start.halfway is not None:
                start.halfway()
            if fault is not None and fault.error is not None:
                await asyncio.sleep(latency * 0.7)
                raise fault.error
            _, failure = await asyncio.gather(asyncio.sleep(latency * 0.7), _caught(start.work()))
            if failure is not None:
                raise failure
            if start.kind == "setTags" or "/global/firewalls/" in start.target:
                await self._world.firewalls_settled(start.scope.project)
        except OperationError as error:
            await self._fail(resource, start, error)
        except BackendError as error:
            await self._fail(resource, start, OperationError("INTERNAL_ERROR", str(error), 500,
                                                             "INTERNAL SERVER ERROR"))
        except Exception as error:
            self._world.violation(f"operation {start.kind}: {error!r}: {traceback.format_exc()}")
            await self._fail(resource, start, OperationError("INTERNAL_ERROR", repr(error), 500,
                                                             "INTERNAL SERVER ERROR"))
        resource.setdefault("startTime", timestamp())
        resource.update(status="DONE", progress=100, endTime=timestamp())
        operation.done.set()

    async def _fail(self, resource: dict[str, Any], start: Start, error: OperationError) -> None:
        try:
            await start.undo()
        except BackendError as second:
            error.message += f" (and the roll-back failed: {second})"
        error.apply(resource)

    def get(self, scope: Scope, name: str) -> Operation:
        operation = self._all.get((scope, name))
        if operation is None:
            raise not_found(f"{scope.path}/operations/{name}")
        return operation

    async def wait(self, scope: Scope, name: str) -> dict[str, Any]:
        """Best effort, as the API says: may return before the operation is DONE."""
        operation = self.get(scope, name)
        try:
            await asyncio.wait_for(operation.done.wait(), self._world.settings.wait_limit)
        except asyncio.TimeoutError:
            pass
        return operation.resource

    def list(self, scope: Scope) -> list[dict[str, Any]]:
        return [op.resource for (where, _), op in self._all.items() if where == scope]

    def find(self, name: str) -> Operation | None:
        return next((op for (_, own), op in self._all.items() if own == name), None)

    def unfinished(self) -> int:
        return sum(1 for op in self._all.values() if not op.done.is_set())

    def _forget(self) -> None:
        if len(self._all) > KEEP:
            for key in [key for key, op in self._all.items() if op.done.is_set()][: KEEP // 10]:
                del self._all[key]

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _caught(work: Awaitable[None]) -> Exception | None:
    try:
        await work
    except Exception as error:
        return error
    return None
