# SPDX-License-Identifier: Apache-2.0
"""Disks of a new instance: made from an image, empty, or attached."""
from __future__ import annotations

from typing import TYPE_CHECKING

from ..call import Json
from ..catalogue import Image, MachineType
from ..errors import ApiError, exists, invalid, not_found
from ..ids import BASE, fingerprint, last, relative, timestamp
from . import limits

if TYPE_CHECKING:
    from .instance_body import Builder

TYPES = {"pd-standard": "Standard Persistent Disk", "pd-balanced": "Balanced Persistent Disk",
         "pd-ssd": "SSD Persistent Disk", "hyperdisk-balanced": "Hyperdisk Balanced Disk"}


def find_image(builder: Builder, url: str) -> Image:
    """Exact name, newest of a family, or view of a family from a zone."""
    parts = relative(url).split("/")
    if parts[0] != "projects":
        parts = ["projects", builder.project.name, *parts]
    catalogue = builder.world.catalogue
    found = None
    if parts[2:5] == ["global", "images", "family"] and len(parts) == 6:
        found = catalogue.family(parts[1], parts[5])
    elif parts[2:4] == ["global", "images"] and len(parts) == 5:
        found = catalogue.image(parts[1], parts[4])
    elif parts[2:3] == ["zones"] and parts[4:5] == ["imageFamilyViews"] and len(parts) == 6:
        found = catalogue.family(parts[1], parts[5])
    if found is None:
        raise not_found("/".join(parts))
    return found


def build(builder: Builder, machine: MachineType) -> tuple[list[Json], list[Json], str]:
    """The attached disks, the new disk resources, the image of the boot disk."""
    attached: list[Json] = []
    disks: list[Json] = []
    boot_image = ""
    given = builder.body.get("disks", [])
    if not given or not any(disk.get("boot") for disk in given) and not given[0].get("boot"):
        raise invalid("resource.disks", "", "A boot disk must be specified.")
    for number, disk in enumerate(given):
        if "source" in disk:
            attached.append(_existing(builder, number, disk))
            continue
        made, image = _new(builder, machine, number, disk)
        disks.append(made)
        attached.append(_attach(number, disk, made))
        if disk.get("boot") and image is not None:
            boot_image = image.path
    return attached, disks, boot_image


def _existing(builder: Builder, number: int, given: Json) -> Json:
    own = builder.project.disks.get((builder.zone, last(given["source"])))
    if own is None:
        raise not_found(relative(given["source"]))
    if own.get("users"):
        raise ApiError(400, "resourceInUseByAnotherResource", "The disk resource '"
                       f"{relative(own['selfLink'])}' is already being used by "
                       f"'{relative(own['users'][0])}'")
    return _attach(number, given, own)


def _attach(number: int, given: Json, disk: Json) -> Json:
    made: Json = {
        "kind": "compute#attachedDisk", "type": "PERSISTENT", "index": number,
        "mode": given.get("mode", "READ_WRITE"), "source": disk["selfLink"],
        "deviceName": given.get("deviceName", f"persistent-disk-{number}"),
        "boot": given.get("boot", False), "autoDelete": given.get("autoDelete", False),
        "interface": "SCSI", "diskSizeGb": disk["sizeGb"]}
    return made


def _new(builder: Builder, machine: MachineType, number: int, given: Json
         ) -> tuple[Json, Image | None]:
    params = given.get("initializeParams", {})
    field = f"resource.disks[{number}].initializeParams"
    limits.labels(f"{field}.labels", params.get("labels", {}))
    image = find_image(builder, params["sourceImage"]) if "sourceImage" in params else None
    if image is None and given.get("boot"):
        raise invalid(f"{field}.sourceImage", "", "A boot disk needs a source image.")
    if image is not None and image.arch != machine.arch:
        raise ApiError(400, "badRequest", f"The architecture {image.arch} of image {image.name} "
                       f"is not that of machine type {machine.name} ({machine.arch}).")
    size = int(params.get("diskSizeGb", image.gb if image else 500))
    if image is not None and size < image.gb:
        raise invalid(f"{field}.diskSizeGb", size, f"Requested disk size cannot be smaller than "
                      f"the image size ({image.gb} GB)")
    kind = last(params.get("diskType", "pd-standard"))
    if kind not in TYPES:
        raise not_found(f"projects/{builder.project.name}/zones/{builder.zone}/diskTypes/{kind}")
    if kind == "pd-standard" and "diskType" in params and machine.name.startswith(
            ("g2-", "g4-", "a3-", "a4")):
        raise ApiError(400, "badRequest", f"[{kind}] features are not compatible for creating "
                       f"instance with machine type {machine.name}.")
    default = builder.name if number == 0 else f"{builder.name}-{number}"
    name = params.get("diskName", default)
    zone_url = f"{BASE}projects/{builder.project.name}/zones/{builder.zone}"
    if (builder.zone, name) in builder.project.disks:
        raise exists(relative(f"{zone_url}/disks/{name}"))
    disk: Json = {
        "kind": "compute#disk", "id": builder.world.ids.number(), "name": name, "status": "READY",
        "creationTimestamp": timestamp(), "zone": zone_url, "sizeGb": str(size),
        "type": f"{zone_url}/diskTypes/{kind}", "selfLink": f"{zone_url}/disks/{name}",
        "physicalBlockSizeBytes": "4096", "users": [BASE + builder.path],
        "architecture": image.arch if image else machine.arch,
        "labelFingerprint": fingerprint(params.get("labels", {}))}
    if params.get("labels"):
        disk["labels"] = params["labels"]
    if image is not None:
        disk["sourceImage"] = BASE + image.path
    return disk, image
