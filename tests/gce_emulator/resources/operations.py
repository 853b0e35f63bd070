# SPDX-License-Identifier: Apache-2.0
"""Operations of the three scopes: get, wait, list; aggregatedList."""
from __future__ import annotations

from .. import paging
from ..call import Call, Json, Route
from ..ids import Scope

SCOPES = {"globalOperations": "projects/{project}/global/operations",
          "regionOperations": "projects/{project}/regions/{region}/operations",
          "zoneOperations": "projects/{project}/zones/{zone}/operations"}


def get(call: Call) -> Json:
    return dict(call.world.operations.get(call.scope, call.params["name"]).resource)


async def wait(call: Call) -> Json:
    return dict(await call.world.operations.wait(call.scope, call.params["name"]))


def listing(call: Call) -> Json:
    return paging.page("operationList", call.path, call.world.operations.list(call.scope),
                       call.query, call.world.settings.page_max)


def aggregated(call: Call) -> Json:
    project, catalogue = call.project.name, call.world.catalogue
    places = [Scope(project, "global"), *(Scope(project, "regions", r) for r in catalogue.regions),
              *(Scope(project, "zones", z) for z in catalogue.zones)]
    scopes = {place.short: call.world.operations.list(place) for place in places}
    return paging.aggregated("operationAggregatedList", "operations", call.path, scopes,
                             call.query, call.world.settings.page_max, frozenset())


ROUTES = [
    *(Route("GET", path, listing, f"compute.{kind}.list") for kind, path in SCOPES.items()),
    *(Route("GET", path + "/{name}", get, f"compute.{kind}.get") for kind, path in SCOPES.items()),
    *(Route("POST", path + "/{name}/wait", wait, f"compute.{kind}.get")
      for kind, path in SCOPES.items()),
    Route("GET", "projects/{project}/aggregated/operations", aggregated,
          "compute.globalOperations.list"),
]
