# SPDX-License-Identifier: Apache-2.0
"""disks and addresses: what a cluster may leave behind."""
from __future__ import annotations

from .. import paging
from ..call import Call, Json, Route
from ..errors import ApiError, exists, fingerprint_conflict, invalid, not_found
from ..ids import BASE, fingerprint, last, relative, timestamp
from ..operations import Start
from . import limits
from .disk_body import TYPES

DISKS = "projects/{project}/zones/{zone}/disks"
ADDRESSES = "projects/{project}/regions/{region}/addresses"


def _find(call: Call) -> Json:
    found = call.project.disks.get((call.zone, call.params["name"]))
    if found is None:
        raise not_found(f"projects/{call.project.name}/zones/{call.zone}/disks/"
                        f"{call.params['name']}")
    return found


def _list(call: Call) -> Json:
    items = [disk for (zone, _), disk in sorted(call.project.disks.items()) if zone == call.zone]
    return paging.page("diskList", call.path, items, call.query, call.world.settings.page_max)


def _aggregated(call: Call) -> Json:
    scopes: dict[str, list[Json]] = {f"zones/{zone}": [] for zone in call.world.catalogue.zones}
    for (zone, _), disk in sorted(call.project.disks.items()):
        scopes[f"zones/{zone}"].append(disk)
    unreachable = frozenset(f"zones/{zone}" for zone in call.world.settings.unreachable_zones)
    return paging.aggregated("diskAggregatedList", "disks", call.path, scopes, call.query,
                             call.world.settings.page_max, unreachable)


def _insert(call: Call) -> Json:
    body, zone_url = call.object(), f"{BASE}projects/{call.project.name}/zones/{call.zone}"
    name, kind = str(body.get("name", "")), last(body.get("type", "pd-standard"))
    if kind not in TYPES:
        raise not_found(f"projects/{call.project.name}/zones/{call.zone}/diskTypes/{kind}")
    if (call.zone, name) in call.project.disks:
        raise exists(relative(f"{zone_url}/disks/{name}"))
    limits.labels("resource.labels", body.get("labels", {}))
    disk: Json = {
        "kind": "compute#disk", "id": call.world.ids.number(), "name": name, "status": "READY",
        "creationTimestamp": timestamp(), "zone": zone_url, "selfLink": f"{zone_url}/disks/{name}",
        "sizeGb": str(body.get("sizeGb", "500")), "type": f"{zone_url}/diskTypes/{kind}",
        "physicalBlockSizeBytes": "4096", "labelFingerprint": fingerprint(body.get("labels", {}))}
    if body.get("labels"):
        disk["labels"] = body["labels"]
    call.project.disks[call.zone, name] = disk
    return call.start(Start(call.scope, "insert", relative(disk["selfLink"]), disk["id"]))


def _delete(call: Call) -> Json:
    disk = _find(call)
    path = relative(disk["selfLink"])
    if disk.get("users"):
        raise ApiError(400, "resourceInUseByAnotherResource", f"The disk resource '{path}' is "
                       f"already being used by '{relative(disk['users'][0])}'")

    async def work() -> None:
        call.project.disks.pop((call.zone, disk["name"]), None)

    return call.start(Start(call.scope, "delete", path, disk["id"], work))


def _set_labels(call: Call) -> Json:
    disk, body = _find(call), call.object()
    if body.get("labelFingerprint") != disk["labelFingerprint"]:
        raise fingerprint_conflict("labels")
    labels = body.get("labels", {})
    limits.labels("resource.labels", labels)
    disk["labels"], disk["labelFingerprint"] = labels, fingerprint(labels)
    return call.start(Start(call.scope, "setLabels", relative(disk["selfLink"]), disk["id"]))


def _addresses(call: Call) -> Json:
    region = call.params["region"]
    items = [entry for (where, _), entry in sorted(call.project.addresses.items())
             if where == region]
    return paging.page("addressList", call.path, items, call.query, call.world.settings.page_max)


def _addresses_aggregated(call: Call) -> Json:
    scopes: dict[str, list[Json]] = {f"regions/{region}": []
                                     for region in call.world.catalogue.regions}
    scopes["global"] = []
    for (region, _), entry in sorted(call.project.addresses.items()):
        scopes[f"regions/{region}"].append(entry)
    return paging.aggregated("addressAggregatedList", "addresses", call.path, scopes, call.query,
                             call.world.settings.page_max, frozenset())


def _address_insert(call: Call) -> Json:
    region, name = call.params["region"], str(call.object().get("name", ""))
    path = f"projects/{call.project.name}/regions/{region}/addresses/{name}"
    if (region, name) in call.project.addresses:
        raise exists(path)
    if not name:
        raise invalid("resource.name", name, "Must not be empty.")
    address = {"kind": "compute#address", "id": call.world.ids.number(), "name": name,
               "creationTimestamp": timestamp(), "status": "RESERVED", "addressType": "EXTERNAL",
               "address": f"198.51.100.{len(call.project.addresses) % 254 + 1}",
               "networkTier": "PREMIUM", "selfLink": BASE + path,
               "region": f"{BASE}projects/{call.project.name}/regions/{region}"}
    call.project.addresses[region, name] = address
    return call.start(Start(call.scope, "insert", path, address["id"]))


def _address_delete(call: Call) -> Json:
    key = (call.params["region"], call.params["name"])
    address = call.project.addresses.get(key)
    if address is None:
        raise not_found(call.path)

    async def work() -> None:
        call.project.addresses.pop(key, None)

    return call.start(Start(call.scope, "delete", relative(address["selfLink"]), address["id"],
                            work))


ROUTES = [
    Route("GET", DISKS, _list, "compute.disks.list"),
    Route("POST", DISKS, _insert, "compute.disks.create"),
    Route("GET", DISKS + "/{name}", _find, "compute.disks.get"),
    Route("DELETE", DISKS + "/{name}", _delete, "compute.disks.delete"),
    Route("POST", DISKS + "/{name}/setLabels", _set_labels, "compute.disks.setLabels"),
    Route("GET", "projects/{project}/aggregated/disks", _aggregated, "compute.disks.list"),
    Route("GET", ADDRESSES, _addresses, "compute.addresses.list"),
    Route("POST", ADDRESSES, _address_insert, "compute.addresses.create"),
    Route("DELETE", ADDRESSES + "/{name}", _address_delete, "compute.addresses.delete"),
    Route("GET", "projects/{project}/aggregated/addresses", _addresses_aggregated,
          "compute.addresses.list"),
]
