# SPDX-License-Identifier: Apache-2.0
"""zones and regions: get, list."""
from __future__ import annotations

import zlib

from .. import paging, quota
from ..call import Call, Json, Route
from ..ids import BASE

BORN = "2024-01-01T00:00:00.000-08:00"


def zone(call: Call, name: str) -> Json:
    project = f"{BASE}projects/{call.project.name}"
    status = "DOWN" if name in call.world.settings.unreachable_zones else "UP"
    return {"kind": "compute#zone", "id": str(2000 + zlib.crc32(name.encode()) % 1000),
            "name": name, "description": name, "status": status, "creationTimestamp": BORN,
            "region": f"{project}/regions/{call.world.catalogue.zones[name]}",
            "selfLink": f"{project}/zones/{name}", "supportsPzs": False,
            "availableCpuPlatforms": ["Intel Skylake", "Intel Broadwell"]}


def region(call: Call, name: str) -> Json:
    project = f"{BASE}projects/{call.project.name}"
    return {"kind": "compute#region", "id": str(1000 + zlib.crc32(name.encode()) % 1000),
            "name": name, "description": name, "status": "UP", "creationTimestamp": BORN,
            "zones": [f"{project}/zones/{zone}" for zone in call.world.catalogue.regions[name]],
            "quotas": quota.shown(call.world, call.project, name), "supportsPzs": False,
            "selfLink": f"{project}/regions/{name}"}


def zones_list(call: Call) -> Json:
    items = [zone(call, name) for name in sorted(call.world.catalogue.zones)
             if name not in call.world.settings.closed_zones]
    return paging.page("zoneList", call.path, items, call.query, call.world.settings.page_max)


def regions_list(call: Call) -> Json:
    items = [region(call, name) for name in sorted(call.world.catalogue.regions)]
    return paging.page("regionList", call.path, items, call.query, call.world.settings.page_max)


ROUTES = [
    Route("GET", "projects/{project}/zones", zones_list, "compute.zones.list"),
    Route("GET", "projects/{project}/regions", regions_list, "compute.regions.list"),
    Route("GET", "projects/{project}/zones/{zone}", lambda call: zone(call, call.zone),
          "compute.zones.get"),
    Route("GET", "projects/{project}/regions/{region}",
          lambda call: region(call, call.params["region"]), "compute.regions.get"),
]
