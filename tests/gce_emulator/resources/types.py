# SPDX-License-Identifier: Apache-2.0
"""machineTypes, acceleratorTypes, diskTypes: get, list, aggregatedList."""
from __future__ import annotations

import zlib
from collections.abc import Callable

from .. import paging
from ..call import Call, Json, Route
from ..catalogue import Accelerator, MachineType
from ..errors import not_found
from ..ids import BASE
from .disk_body import TYPES

BORN = "2024-01-01T00:00:00.000-08:00"
Maker = Callable[[Call, str], list[Json]]  # all of a zone


def _common(call: Call, kind: str, collection: str, zone: str, name: str) -> Json:
    return {"kind": f"compute#{kind}", "id": str(zlib.crc32(name.encode())), "name": name,
            "creationTimestamp": BORN,
            "selfLink": f"{BASE}projects/{call.project.name}/zones/{zone}/{collection}/{name}"}


def machine_type(call: Call, zone: str, entry: MachineType) -> Json:
    made = {**_common(call, "machineType", "machineTypes", zone, entry.name), "zone": zone,
            "description": f"{entry.vcpus} vCPUs {entry.memory_mb / 1024:g} GB RAM",
            "guestCpus": entry.vcpus, "memoryMb": entry.memory_mb, "maximumPersistentDisks": 128,
            "maximumPersistentDisksSizeGb": "263168", "isSharedCpu": entry.shared_core,
            "imageSpaceGb": 0, "architecture": entry.arch}
    if entry.gpu:
        made["accelerators"] = [{"guestAcceleratorType": entry.gpu,
                                 "guestAcceleratorCount": entry.gpus}]
    return made


def accelerator_type(call: Call, zone: str, entry: Accelerator) -> Json:
    return {**_common(call, "acceleratorType", "acceleratorTypes", zone, entry.name),
            "zone": f"{BASE}projects/{call.project.name}/zones/{zone}",
            "description": entry.description, "maximumCardsPerInstance": entry.most}


def machine_types(call: Call, zone: str) -> list[Json]:
    return [machine_type(call, zone, entry)
            for entry in call.world.catalogue.machine_types_in(zone)]


def accelerator_types(call: Call, zone: str) -> list[Json]:
    return [accelerator_type(call, zone, entry)
            for entry in call.world.catalogue.accelerators_in(zone)]


def disk_types(call: Call, zone: str) -> list[Json]:
    return [{**_common(call, "diskType", "diskTypes", zone, name), "description": text,
             "zone": f"{BASE}projects/{call.project.name}/zones/{zone}",
             "validDiskSize": "10GB-65536GB", "defaultDiskSizeGb": "100"}
            for name, text in sorted(TYPES.items())]


def get_machine_type(call: Call) -> Json:
    """Custom types can be asked for too, though no list has them."""
    found = call.world.catalogue.machine_type(call.params["name"], call.zone)
    if found is None:
        raise not_found(f"projects/{call.project.name}/zones/{call.zone}/machineTypes/"
                        f"{call.params['name']}")
    return machine_type(call, call.zone, found)


def _routes(kind: str, collection: str, maker: Maker) -> list[Route]:
    def listing(call: Call) -> Json:
        return paging.page(f"{kind}List", call.path, maker(call, call.zone), call.query,
                           call.world.settings.page_max)

    def get(call: Call) -> Json:
        for item in maker(call, call.zone):
            if item["name"] == call.params["name"]:
                return item
        raise not_found(f"projects/{call.project.name}/zones/{call.zone}/{collection}/"
                        f"{call.params['name']}")

    def aggregated(call: Call) -> Json:
        world = call.world
        scopes = {f"zones/{zone}": maker(call, zone) for zone in sorted(world.catalogue.zones)
                  if zone not in world.settings.closed_zones}
        unreachable = frozenset(f"zones/{zone}" for zone in world.settings.unreachable_zones)
        return paging.aggregated(f"{kind}AggregatedList", collection, call.path, scopes,
                                 call.query, world.settings.page_max, unreachable)

    return [
        Route("GET", f"projects/{{project}}/zones/{{zone}}/{collection}", listing,
              f"compute.{collection}.list"),
        Route("GET", f"projects/{{project}}/zones/{{zone}}/{collection}/{{name}}",
              get_machine_type if collection == "machineTypes" else get,
              f"compute.{collection}.get"),
        Route("GET", f"projects/{{project}}/aggregated/{collection}", aggregated,
              f"compute.{collection}.list"),
    ]


ROUTES = [*_routes("machineType", "machineTypes", machine_types),
          *_routes("acceleratorType", "acceleratorTypes", accelerator_types),
          *_routes("diskType", "diskTypes", disk_types)]
