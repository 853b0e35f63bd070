# SPDX-License-Identifier: Apache-2.0
"""instances.bulkInsert, of a zone and of a region."""
from __future__ import annotations

import re
import uuid
from collections import Counter
from dataclasses import dataclass, field

import asyncio

from .. import gpu, quota
from ..call import Call, Json, Route
from ..errors import ApiError, OperationError, invalid
from ..ids import last
from ..operations import Operation, Start
from . import launch
from .instance_body import Builder

COUNT_MAX = 5000


@dataclass
class Batch:
    """One bulkInsert under way."""

    call: Call
    body: Json
    names: list[str]
    minimum: int
    group: str
    zone: str = ""
    error: OperationError | None = None  # known up front: nothing is made
    children: list[Operation] = field(default_factory=list)
    status: Json = field(default_factory=dict)

    def properties(self, name: str) -> Json:
        own = self.body.get("perInstanceProperties", {}).get(name, {})
        return {**self.body.get("instanceProperties", {}), "name": name, **own}

    def builder(self, name: str, zone: str) -> Builder:
        return Builder(self.call.world, self.call.project, zone, self.properties(name), name)


def _names(call: Call, body: Json, count: int, zones: list[str]) -> list[str]:
    given = body.get("perInstanceProperties", {})
    pattern = body.get("namePattern", "")
    if given and pattern:
        raise ApiError(400, "invalid", "Only one of namePattern and perInstanceProperties can be "
                       "given.")
    if given:
        if len(given) < count:
            raise invalid("count", count, f"There are only {len(given)} perInstanceProperties.")
        return list(given)[:count]
    match = re.fullmatch(r"([^#]*)(#{1,18})([^#]*)", pattern)
    if match is None:
        raise invalid("namePattern", pattern, "Must have one run of up to 18 '#'.")
    shape = re.compile(re.escape(match[1]) + r"(\d+)" + re.escape(match[3]))
    used = [int(found[1]) for zone, name in call.project.instances
            if zone in zones and (found := shape.fullmatch(name))]
    first = max(used, default=0) + 1
    return [f"{match[1]}{number:0{len(match[2])}d}{match[3]}"
            for number in range(first, first + count)]


def _zones(call: Call, body: Json) -> list[str]:
    """Zones that may be used; preference DENY leaves one out, ALLOW alone names the rest."""
    if "zone" in call.params:
        return [call.zone]
    zones = call.world.catalogue.regions[call.params["region"]]
    wishes = {last(key): entry.get("preference", "ALLOW")
              for key, entry in body.get("locationPolicy", {}).get("locations", {}).items()}
    for zone in wishes:
        if zone not in zones:
            raise invalid("locationPolicy.locations", f"zones/{zone}", "Not a zone of the region.")
    allowed = [zone for zone in zones if wishes.get(zone) == "ALLOW"]
    return allowed or [zone for zone in zones if wishes.get(zone) != "DENY"]


def _choose(batch: Batch, zones: list[str]) -> None:
    """The first zone with room for all, else one with room for the least wanted. A name that is
    taken in a zone that may be used is an error of the operation."""
    call, refused, usable = batch.call, None, []
    for zone in zones:
        if zone in call.world.settings.closed_zones:
            continue
        taken = [name for name in batch.names if (zone, name) in call.project.instances]
        if taken:
            path = f"projects/{call.project.name}/zones/{zone}/instances/{taken[0]}"
            batch.zone, batch.error = zone, OperationError(
                "RESOURCE_ALREADY_EXISTS", f"The resource '{path}' already exists", 409, "CONFLICT")
            return
        try:
            instance, _ = batch.builder(batch.names[0], zone).build()
        except ApiError as error:
            refused = error
            continue
        usable.append((zone, instance))
    if not usable:
        raise refused or ApiError(400, "invalid", "No zone of the region may be used.")
    for wanted in (len(batch.names), batch.minimum):
        for zone, instance in usable:
            if gpu.missing(call.world, instance, wanted, hidden=False) is None:
                batch.zone = zone
                return
    batch.zone = usable[0][0]
    batch.error = gpu.stockout(usable[0][1])


def _check(batch: Batch) -> None:
    """Up front: quota enough for the least wanted."""
    call = batch.call
    instance, disks = batch.builder(batch.names[0], batch.zone).build()
    one = quota.needs_new(call.world, call.project, instance, disks)
    wanted: Counter[tuple[str, str]] = Counter(
        {place: amount * batch.minimum for place, amount in one.items()})
    batch.error = quota.exceeded(call.world, call.project, wanted)


def _launch(batch: Batch) -> None:
    call = batch.call
    for name in batch.names:
        instance, disks = batch.builder(name, batch.zone).build()
        error = launch.add(call.world, call.project, instance, disks)
        start = launch.starting(call.world, call.project, instance, error, batch.group)
        batch.children.append(call.world.operations.start(start, None, call.user))


async def _follow(batch: Batch) -> None:
    """Until all are made or failed; then keeps them, or takes them back."""
    if batch.error is not None:
        batch.status.update(status="DONE", failedToCreateVmCount=len(batch.names))
        raise batch.error
    failed: list[Json] = []
    for child in batch.children:
        await child.done.wait()
        if "error" in child.resource:
            failed.append(child.resource)
        else:
            batch.status["createdVmCount"] += 1
        batch.status["failedToCreateVmCount"] = len(failed)
    if batch.status["createdVmCount"] < batch.minimum:
        await _roll_back(batch)
        first = failed[0]["error"]["errors"][0]
        raise OperationError(first["code"], first["message"], failed[0]["httpErrorStatusCode"],
                             failed[0]["httpErrorMessage"], first.get("errorDetails"))
    batch.status["status"] = "DONE"


async def _roll_back(batch: Batch) -> None:
    call = batch.call
    batch.status["status"] = "ROLLING_BACK"
    await asyncio.gather(*(child.done.wait() for child in batch.children))
    await asyncio.sleep(call.world.settings.bulk_rollback_ms / 1000)
    for child in batch.children:
        key = (batch.zone, last(child.resource["targetLink"]))
        instance = call.project.instances.get(key)
        if instance is None or instance.id != child.resource["targetId"]:
            continue
        delete = launch.deleting(call.world, call.project, instance)
        delete.group = batch.group
        await call.world.operations.start(delete, None, call.user).done.wait()
        batch.status["deletedVmCount"] += 1
    batch.status["status"] = "DONE"


def insert(call: Call) -> Json:
    body = call.object()
    count = int(body.get("count", len(body.get("perInstanceProperties", {}))))
    minimum = int(body.get("minCount", count))
    if not 1 <= count <= COUNT_MAX:
        raise invalid("count", count, f"Must be between 1 and {COUNT_MAX}.")
    if not 0 <= minimum <= count:
        raise invalid("minCount", minimum, "Must be between 0 and count.")
    zones = _zones(call, body)
    batch = Batch(call, body, _names(call, body, count, zones), minimum, str(uuid.uuid4()))
    _choose(batch, zones)
    batch.status = {"status": "CREATING", "targetVmCount": count, "createdVmCount": 0,
                    "failedToCreateVmCount": 0, "deletedVmCount": 0}
    if batch.error is None:
        _check(batch)
    if batch.error is None:
        _launch(batch)
    metadata = {"perLocationStatus": {f"zones/{batch.zone}": batch.status}}
    return call.start(Start(
        call.scope, "bulkInsert", call.scope.path, call.project.number, lambda: _follow(batch),
        lambda: _undo(batch), None, batch.group,
        {"instancesBulkInsertOperationMetadata": metadata},
        call.world.settings.latency_ms / 1000 if batch.error else 0))


async def _undo(batch: Batch) -> None:
    """Also when the operation was made to fail from outside."""
    if batch.children and batch.status["status"] != "DONE":
        await _roll_back(batch)


ROUTES = [
    Route("POST", "projects/{project}/zones/{zone}/instances/bulkInsert", insert,
          "compute.instances.create"),
    Route("POST", "projects/{project}/regions/{region}/instances/bulkInsert", insert,
          "compute.instances.create"),
]
