# SPDX-License-Identifier: Apache-2.0
"""Stock-outs, as zones report them."""
from __future__ import annotations

from typing import TYPE_CHECKING

from .backends.base import Instance
from .errors import OperationError

if TYPE_CHECKING:
    from .world import World


def stockout(instance: Instance, code: str = "ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS"
             ) -> OperationError:
    attached = f"{instance.gpu_type}={instance.gpu_count}:{instance.zone}"
    return OperationError(
        code, f"The zone 'projects/{instance.project}/zones/{instance.zone}' does not have enough "
        "resources available to fulfill the request.  '(resource type:compute)'.",
        503, "SERVICE UNAVAILABLE", [
            {"help": {"links": [{"description": "Troubleshooting documentation",
                                 "url": "https://cloud.google.com/compute/docs/resource-error"}]}},
            {"localizedMessage": {"locale": "en-US", "message":
                                  f"A {instance.machine_type} VM instance with "
                                  f"{instance.gpu_count} {instance.gpu_type} accelerator(s) is "
                                  f"currently unavailable in the {instance.zone} zone."}},
            {"errorInfo": {"reason": "resource_availability", "domain": "compute.googleapis.com",
                           "metadatas": {"attachment": attached, "vmType": instance.machine_type,
                                         "zone": instance.zone, "zonesAvailable": ""}}}])


def missing(world: World, instance: Instance, wanted: int = 1, hidden: bool = True
            ) -> OperationError | None:
    """The stock-out of a zone that has not enough for so many like this one (which is not counted
    as using any yet). hidden False: a stock that is not seen up front counts as enough."""
    if instance.gpu_type is None:
        return None
    key = (instance.zone, instance.gpu_type)
    if not hidden and key in world.stock and world.stock[key].hidden:
        return None
    free = world.free_gpus(*key)
    if free is None or free >= wanted * instance.gpu_count:
        return None
    return stockout(instance)
