# SPDX-License-Identifier: Apache-2.0
"""The life of an instance: made, started, stopped, removed. Shared by insert, bulk and changes."""
from __future__ import annotations

import asyncio

from .. import gpu, quota
from ..backends.base import BackendError, Instance
from ..call import Json
from ..errors import OperationError
from ..ids import BASE, Scope, last, relative, timestamp
from ..operations import Start, nothing
from ..world import Project, World


def add(world: World, project: Project, instance: Instance, disks: list[Json]
        ) -> OperationError | None:
    """Stores it, unless a quota forbids. The error is the one its operation is to end with."""
    error = quota.exceeded(world, project, quota.needs_new(world, project, instance, disks))
    if error is not None:
        return error
    error = gpu.missing(world, instance)
    key = (instance.zone, instance.name)
    for disk in disks:
        project.disks[instance.zone, disk["name"]] = disk
    for disk in instance.resource["disks"]:
        own = project.disks[instance.zone, last(disk["source"])]
        own["users"] = [instance.resource["selfLink"]]
    project.instances[key] = instance
    project.launching[instance.id] = asyncio.Event()
    quota.charge(world, project, instance)
    return error


def starting(world: World, project: Project, instance: Instance, error: OperationError | None,
             group: str | None = None) -> Start:
    """The operation of an instance that add() was called for."""
    resource = instance.resource
    launched = project.launching.get(instance.id)

    async def work() -> None:
        if error is not None:
            raise error
        await run(world, project, instance)
        if launched is not None:
            launched.set()

    async def undo() -> None:
        if project.instances.get((instance.zone, instance.name)) is instance:
            await remove(world, project, instance, all_disks=True)
        if launched is not None:
            launched.set()

    def halfway() -> None:
        resource["status"] = "STAGING"

    known = project.instances.get((instance.zone, instance.name)) is instance
    return Start(Scope(project.name, "zones", instance.zone), "insert",
                 relative(resource["selfLink"]), instance.id, work, undo if known else nothing,
                 halfway, group)


async def run(world: World, project: Project, instance: Instance) -> None:
    """Starts the machine; from then on it is RUNNING."""
    addresses = await world.backend.start(instance)
    resource = instance.resource
    if project.instances.get((instance.zone, instance.name)) is not instance:
        await world.backend.delete(instance)  # the emulator was reset meanwhile
        return
    nic = resource["networkInterfaces"][0]
    nic["networkIP"] = addresses.internal
    if nic.get("accessConfigs"):
        nic["accessConfigs"][0]["natIP"] = addresses.external
    resource.update(status="RUNNING", cpuPlatform="Intel Skylake", lastStartTimestamp=timestamp())
    quota.charge(world, project, instance)
    await world.backend.metadata_changed(instance)
    duration = resource["scheduling"].get("maxRunDuration", {}).get("seconds")
    if duration:
        asyncio.get_running_loop().call_later(
            float(duration), terminate, world, project, instance, resource["lastStartTimestamp"])


def terminate(world: World, project: Project, instance: Instance, since: str | None,
              kind: str = "compute.instances.terminateOnMaxRunDuration") -> None:
    """Ends it as its scheduling says: the run limit passed, or a spot machine is taken back."""
    known = project.instances.get((instance.zone, instance.name)) is instance
    if not known or since not in (None, instance.resource.get("lastStartTimestamp")):
        return
    action = instance.resource["scheduling"].get("instanceTerminationAction", "STOP")
    start = deleting(world, project, instance) if action == "DELETE" else stopping(
        world, project, instance)
    start.kind = kind
    world.operations.start(start, None, "system@google.com")


def stopping(world: World, project: Project, instance: Instance) -> Start:
    instance.resource["status"] = "STOPPING"

    async def work() -> None:
        await world.backend.stop(instance)
        resource = instance.resource
        resource.update(status="TERMINATED", lastStopTimestamp=timestamp())
        for config in resource["networkInterfaces"][0].get("accessConfigs", []):
            config.pop("natIP", None)
        quota.charge(world, project, instance)

    return Start(Scope(project.name, "zones", instance.zone), "stop",
                 relative(instance.resource["selfLink"]), instance.id, work)


def deleting(world: World, project: Project, instance: Instance) -> Start:
    """Begins now; the machine goes once it is there."""
    instance.resource["status"] = "STOPPING"
    launched = project.launching.get(instance.id)

    async def work() -> None:
        if launched is not None:
            await launched.wait()
        if project.instances.get((instance.zone, instance.name)) is instance:
            instance.resource["status"] = "STOPPING"
            await remove(world, project, instance)

    async def undo() -> None:
        if project.instances.get((instance.zone, instance.name)) is instance:
            instance.resource["status"] = "RUNNING"

    return Start(Scope(project.name, "zones", instance.zone), "delete",
                 relative(instance.resource["selfLink"]), instance.id, work, undo)


async def remove(world: World, project: Project, instance: Instance, all_disks: bool = False
                 ) -> None:
    """Out of the records, with the disks that are its own."""
    try:
        await world.backend.delete(instance)
    except BackendError as error:
        world.violation(f"backend: delete of {instance.name}: {error}")
        raise
    project.instances.pop((instance.zone, instance.name), None)
    project.launching.pop(instance.id, None)
    quota.release(project, instance)
    for disk in instance.resource["disks"]:
        key = (instance.zone, last(disk["source"]))
        own = project.disks.get(key)
        if own is None or own.get("users") != [BASE + relative(instance.resource["selfLink"])]:
            continue
        if disk["autoDelete"] or all_disks:
            del project.disks[key]
        else:
            own.pop("users")
            own["lastDetachTimestamp"] = timestamp()
