# SPDX-License-Identifier: Apache-2.0
"""projects: get, setCommonInstanceMetadata."""
from __future__ import annotations

from .. import quota
from ..call import Call, Json, Route
from ..errors import fingerprint_conflict, not_found
from ..ids import BASE, fingerprint
from ..operations import Start
from ..world import Project, World
from . import limits


def resource(world: World, project: Project) -> Json:
    return {
        "kind": "compute#project", "id": project.number, "name": project.name,
        "creationTimestamp": "2026-01-01T00:00:00.000-08:00",
        "commonInstanceMetadata": project.metadata, "defaultNetworkTier": "PREMIUM",
        "defaultServiceAccount": f"{project.number}-compute@developer.gserviceaccount.com",
        "quotas": quota.shown(world, project, "global"), "xpnProjectStatus":
        "UNSPECIFIED_XPN_PROJECT_STATUS", "selfLink": f"{BASE}projects/{project.name}"}


def get(call: Call) -> Json:
    images = {image.project for image in call.world.catalogue.images}
    if call.params["project"] in images:
        raise not_found(f"projects/{call.params['project']}")
    return resource(call.world, call.project)


def set_metadata(call: Call) -> Json:
    """Replaces the whole list; the fingerprint of the one that was read is needed."""
    project, body = call.project, call.object()
    if body.get("fingerprint") != project.metadata["fingerprint"]:
        raise fingerprint_conflict("metadata")
    limits.metadata(body)
    items = body.get("items", [])
    project.metadata = {"kind": "compute#metadata", "fingerprint": fingerprint(items)}
    if items:
        project.metadata["items"] = items

    async def work() -> None:
        for instance in list(project.instances.values()):
            if instance.resource["status"] == "RUNNING":
                await call.world.backend.metadata_changed(instance)

    return call.start(Start(call.scope, "compute.projects.setCommonInstanceMetadata",
                            f"projects/{project.name}", project.number, work))


ROUTES = [
    Route("GET", "projects/{project}", get, "compute.projects.get"),
    Route("POST", "projects/{project}/setCommonInstanceMetadata", set_metadata,
          "compute.projects.setCommonInstanceMetadata"),
]
