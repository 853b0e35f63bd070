# SPDX-License-Identifier: Apache-2.0
"""networks and subnetworks: get, list."""
from __future__ import annotations

from .. import paging
from ..call import Call, Json, Route
from ..errors import not_found

NETWORKS = "projects/{project}/global/networks"
SUBNETWORKS = "projects/{project}/regions/{region}/subnetworks"


def _get(call: Call) -> Json:
    found = call.project.networks.get(call.params["name"])
    if found is None:
        raise not_found(call.path)
    return found


def _list(call: Call) -> Json:
    return paging.page("networkList", call.path, list(call.project.networks.values()), call.query,
                       call.world.settings.page_max)


def _get_sub(call: Call) -> Json:
    found = call.project.subnetworks.get((call.params["region"], call.params["name"]))
    if found is None:
        raise not_found(call.path)
    return found


def _list_sub(call: Call) -> Json:
    items = [entry for (region, _), entry in call.project.subnetworks.items()
             if region == call.params["region"]]
    return paging.page("subnetworkList", call.path, items, call.query,
                       call.world.settings.page_max)


def _aggregated(call: Call) -> Json:
    scopes: dict[str, list[Json]] = {}
    for (region, _), entry in call.project.subnetworks.items():
        scopes.setdefault(f"regions/{region}", []).append(entry)
    return paging.aggregated("subnetworkAggregatedList", "subnetworks", call.path, scopes,
                             call.query, call.world.settings.page_max, frozenset())


ROUTES = [
    Route("GET", NETWORKS, _list, "compute.networks.list"),
    Route("GET", NETWORKS + "/{name}", _get, "compute.networks.get"),
    Route("GET", SUBNETWORKS, _list_sub, "compute.subnetworks.list"),
    Route("GET", SUBNETWORKS + "/{name}", _get_sub, "compute.subnetworks.get"),
    Route("GET", "projects/{project}/aggregated/subnetworks", _aggregated,
          "compute.subnetworks.list"),
]
