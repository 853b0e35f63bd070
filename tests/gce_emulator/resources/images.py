# SPDX-License-Identifier: Apache-2.0
"""images: get, getFromFamily, list; imageFamilyViews.get. All of public projects."""
from __future__ import annotations

import zlib

from .. import paging
from ..call import Call, Json, Route
from ..catalogue import Image
from ..errors import not_found
from ..ids import BASE

BORN = "2026-04-15T00:00:00.000-07:00"


def resource(image: Image) -> Json:
    made: Json = {
        "kind": "compute#image", "id": str(10**18 + zlib.crc32(image.name.encode())),
        "name": image.name, "family": image.family, "architecture": image.arch,
        "creationTimestamp": BORN, "diskSizeGb": str(image.gb), "status": "READY",
        "sourceType": "RAW", "archiveSizeBytes": "1000000000", "labelFingerprint": "42WmSpB8rSM=",
        "description": f"SIMULATED {image.family}", "selfLink": BASE + image.path}
    if image.deprecated:
        made["deprecated"] = {"state": image.deprecated}
    return made


def get(call: Call) -> Json:
    found = call.world.catalogue.image(call.params["project"], call.params["name"])
    if found is None:
        raise not_found(call.path)
    return resource(found)


def from_family(call: Call) -> Json:
    found = call.world.catalogue.family(call.params["project"], call.params["name"])
    if found is None:
        raise not_found(call.path)
    return resource(found)


def listing(call: Call) -> Json:
    items = [resource(image) for image in call.world.catalogue.images
             if image.project == call.params["project"]]
    return paging.page("imageList", call.path, items, call.query, call.world.settings.page_max)


def view(call: Call) -> Json:
    return {"image": from_family(call)}


ROUTES = [
    Route("GET", "projects/{project}/global/images", listing, "compute.images.list"),
    Route("GET", "projects/{project}/global/images/{name}", get, "compute.images.get"),
    Route("GET", "projects/{project}/global/images/family/{name}", from_family,
          "compute.images.getFromFamily"),
    Route("GET", "projects/{project}/zones/{zone}/imageFamilyViews/{name}", view,
          "compute.images.getFromFamily"),
]
