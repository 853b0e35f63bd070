# SPDX-License-Identifier: Apache-2.0
"""instances: insert, get, list, aggregatedList, delete."""
from __future__ import annotations

import time

from .. import paging
from ..backends.base import Instance
from ..call import Call, Json, Route
from ..errors import ApiError, exists, not_found
from ..ids import relative
from . import launch
from .instance_body import Builder

ZONE = "projects/{project}/zones/{zone}/instances"
ONE = ZONE + "/{name}"


def find(call: Call) -> Instance:
    found = call.project.instances.get((call.zone, call.params["name"]))
    if found is None:
        raise not_found(f"projects/{call.project.name}/zones/{call.zone}/instances/"
                        f"{call.params['name']}")
    return found


def insert(call: Call) -> Json:
    body = call.object()
    name = str(body.get("name", ""))
    old = call.project.instances.get((call.zone, name))
    if old is not None:
        path = relative(old.resource["selfLink"])
        if old.resource["status"] == "STOPPING":
            raise ApiError(400, "resourceNotReady", f"The resource '{path}' is not ready")
        raise exists(path)
    instance, disks = Builder(call.world, call.project, call.zone, body, name).build()
    error = launch.add(call.world, call.project, instance, disks)
    return call.start(launch.starting(call.world, call.project, instance, error))


def get(call: Call) -> Json:
    return find(call).resource


def _listed(call: Call) -> list[Instance]:
    """Lists may be behind what was made."""
    before = time.monotonic() - call.world.settings.list_lag_ms / 1000
    return [instance for _, instance in sorted(call.project.instances.items())
            if instance.made_at <= before]


def listing(call: Call) -> Json:
    items = [instance.resource for instance in _listed(call) if instance.zone == call.zone]
    return paging.page("instanceList", call.path, items, call.query, call.world.settings.page_max)


def aggregated(call: Call) -> Json:
    scopes: dict[str, list[Json]] = {f"zones/{zone}": [] for zone in call.world.catalogue.zones}
    for instance in _listed(call):
        scopes[f"zones/{instance.zone}"].append(instance.resource)
    unreachable = frozenset(f"zones/{zone}" for zone in call.world.settings.unreachable_zones)
    return paging.aggregated("instanceAggregatedList", "instances", call.path, scopes, call.query,
                             call.world.settings.page_max, unreachable)


def delete(call: Call) -> Json:
    instance = find(call)
    if instance.resource["deletionProtection"]:
        raise ApiError(400, "invalid", "Resource cannot be deleted if it's protected against "
                       "deletion. To delete this resource, deletion protection must be disabled.")
    return call.start(launch.deleting(call.world, call.project, instance))


ROUTES = [
    Route("POST", ZONE, insert, "compute.instances.create"),
    Route("GET", ZONE, listing, "compute.instances.list"),
    Route("GET", ONE, get, "compute.instances.get"),
    Route("DELETE", ONE, delete, "compute.instances.delete"),
    Route("GET", "projects/{project}/aggregated/instances", aggregated, "compute.instances.list"),
]
