# SPDX-License-Identifier: Apache-2.0
"""Changes of an instance: metadata, labels, tags, start, stop, reset, deletion protection."""
from __future__ import annotations

from .. import gpu, quota
from ..backends.base import Instance
from ..call import Call, Json, Route
from ..errors import ApiError, fingerprint_conflict
from ..ids import fingerprint, relative
from ..operations import Start, nothing, Work
from . import launch, limits
from .instances import ONE, find


def _start(call: Call, instance: Instance, kind: str, work: Work = nothing) -> Json:
    return call.start(Start(call.scope, kind, relative(instance.resource["selfLink"]),
                            instance.id, work))


def set_metadata(call: Call) -> Json:
    instance, body = find(call), call.object()
    if body.get("fingerprint") != instance.resource["metadata"]["fingerprint"]:
        raise fingerprint_conflict("metadata")
    limits.metadata(body)
    items = body.get("items", [])
    made: Json = {"kind": "compute#metadata", "fingerprint": fingerprint(items)}
    if items:
        made["items"] = items
    instance.resource["metadata"] = made
    return _start(call, instance, "setMetadata",
                  lambda: call.world.backend.metadata_changed(instance))


def set_labels(call: Call) -> Json:
    instance, body = find(call), call.object()
    if body.get("labelFingerprint") != instance.resource["labelFingerprint"]:
        raise fingerprint_conflict("labels")
    labels = body.get("labels", {})
    limits.labels("resource.labels", labels)
    instance.resource["labels"] = labels
    if not labels:
        del instance.resource["labels"]
    instance.resource["labelFingerprint"] = fingerprint(labels)
    return _start(call, instance, "setLabels")


def set_tags(call: Call) -> Json:
    instance, body = find(call), call.object()
    if body.get("fingerprint") != instance.resource["tags"]["fingerprint"]:
        raise fingerprint_conflict("tags")
    items = body.get("items", [])
    instance.resource["tags"] = {"fingerprint": fingerprint(items)}
    if items:
        instance.resource["tags"]["items"] = items
    return _start(call, instance, "setTags")


def set_deletion_protection(call: Call) -> Json:
    instance = find(call)
    instance.resource["deletionProtection"] = call.query.get("deletionProtection",
                                                             "true") != "false"
    return _start(call, instance, "updateInstance")


def start(call: Call) -> Json:
    """A stopped GPU machine has lost its GPUs, and may not get them back."""
    instance = find(call)
    if instance.resource["status"] == "RUNNING":
        return _start(call, instance, "start")
    if instance.resource["status"] not in ("TERMINATED", "STOPPED"):
        raise ApiError(400, "resourceNotReady", "The resource "
                       f"'{relative(instance.resource['selfLink'])}' is not ready")
    error = gpu.missing(call.world, instance)
    if error is None:
        instance.resource["status"] = "STAGING"
        quota.charge(call.world, call.project, instance)

    async def work() -> None:
        if error is not None:
            raise error
        await launch.run(call.world, call.project, instance)

    return _start(call, instance, "start", work)


def stop(call: Call) -> Json:
    return call.start(launch.stopping(call.world, call.project, find(call)))


def reset(call: Call) -> Json:
    instance = find(call)
    return _start(call, instance, "reset", lambda: call.world.backend.reset(instance))


ROUTES = [
    Route("POST", ONE + "/setMetadata", set_metadata, "compute.instances.setMetadata"),
    Route("POST", ONE + "/setLabels", set_labels, "compute.instances.setLabels"),
    Route("POST", ONE + "/setTags", set_tags, "compute.instances.setTags"),
    Route("POST", ONE + "/setDeletionProtection", set_deletion_protection,
          "compute.instances.setDeletionProtection"),
    Route("POST", ONE + "/start", start, "compute.instances.start"),
    Route("POST", ONE + "/stop", stop, "compute.instances.stop"),
    Route("POST", ONE + "/reset", reset, "compute.instances.reset"),
]
