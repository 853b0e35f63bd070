# SPDX-License-Identifier: Apache-2.0
"""Quotas: what an instance counts in, what is used, and the errors of a limit that is reached."""
from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from .backends.base import Instance
from .errors import OperationError
from .ids import last

if TYPE_CHECKING:
    from .world import Project, World

Json = dict[str, Any]
Place = tuple[str, str]  # ("global" or region, metric)


def _gpu_metric(world: World, project: Project, instance: Instance, region: str) -> str | None:
    assert instance.gpu_type is not None
    kind = world.catalogue.accelerators[instance.gpu_type]
    if instance.spot:
        spot = kind.spot_metric or (f"PREEMPTIBLE_{kind.metric}" if kind.metric else None)
        # Spot falls back to the standard quota where none was granted.
        if spot and project.limits.get((region, spot), 0) > 0:
            return spot
    return kind.metric or kind.family


def needs(world: World, project: Project, instance: Instance) -> Counter[Place]:
    region = world.catalogue.zones[instance.zone]
    running = instance.resource["status"] not in ("TERMINATED", "STOPPED")
    found: Counter[Place] = Counter()
    found[region, "INSTANCES"] = 1
    for disk in instance.resource["disks"]:
        own = project.disks.get((instance.zone, last(disk["source"])))
        if own is not None:
            found[region, _disk_metric(own)] += int(own["sizeGb"])
    if not running:
        return found
    spot_cpus = instance.spot and project.limits.get((region, "PREEMPTIBLE_CPUS"), 0) > 0
    found[region, "PREEMPTIBLE_CPUS" if spot_cpus else "CPUS"] += instance.vcpus
    found["global", "CPUS_ALL_REGIONS"] += instance.vcpus
    if instance.wants_external:
        found[region, "IN_USE_ADDRESSES"] += 1
    if instance.gpu_type is not None:
        metric_name = _gpu_metric(world, project, instance, region)
        if metric_name:
            found[region, metric_name] += instance.gpu_count
        found["global", "GPUS_ALL_REGIONS"] += instance.gpu_count
    return found


def needs_new(world: World, project: Project, instance: Instance, disks: list[Json]
              ) -> Counter[Place]:
    """Of an instance that is not stored yet, nor are its disks."""
    found = needs(world, project, instance)
    region = world.catalogue.zones[instance.zone]
    found[region, "DISKS_TOTAL_GB"] = found[region, "SSD_TOTAL_GB"] = 0
    for disk in disks:
        found[region, _disk_metric(disk)] += int(disk["sizeGb"])
    return found


def _disk_metric(disk: Json) -> str:
    return "DISKS_TOTAL_GB" if disk["type"].endswith("/pd-standard") else "SSD_TOTAL_GB"


def charge(world: World, project: Project, instance: Instance) -> None:
    """Counts the instance, anew when it was counted before."""
    release(project, instance)
    project.charged[instance.zone, instance.name] = needs(world, project, instance)
    project.used.update(project.charged[instance.zone, instance.name])


def release(project: Project, instance: Instance) -> None:
    project.used.subtract(project.charged.pop((instance.zone, instance.name), Counter()))


def usage(project: Project) -> Counter[Place]:
    used = Counter(project.used)
    used["global", "FIREWALLS"] = len(project.firewalls)
    used["global", "NETWORKS"] = len(project.networks)
    return used


def exceeded(world: World, project: Project, wanted: Counter[Place]) -> OperationError | None:
    """The error of the first limit that does not allow it. The global one is named last, since
    Compute Engine checks the region's first."""
    used = usage(project)
    for place in sorted(wanted, key=lambda entry: (entry[0] == "global", entry[1])):
        limit = project.limits.get(place)
        if limit is not None and wanted[place] and used[place] + wanted[place] > limit:
            return _error(world, place, limit)
    return None


def _error(world: World, place: Place, limit: float) -> OperationError:
    where, metric = place
    dimensions = {"global": "global"} if where == "global" else {"region": where}
    shown = metric
    suffix = "project" if where == "global" else "project-region"
    limit_name = f"{metric.replace('_', '-')}-per-{suffix}"
    if metric in world.catalogue.quotas["families"]:
        shown = "GPUS_PER_GPU_FAMILY"
        limit_name = "GPUS-PER-GPU-FAMILY-per-project-region"
        dimensions = {"gpu_family": metric, "region": where}
    place_text = "globally" if where == "global" else f"in region {where}"
    return OperationError(
        "QUOTA_EXCEEDED", f"Quota '{shown}' exceeded. Limit: {float(limit)} {place_text}.",
        403, "FORBIDDEN", [{"quotaInfo": {
            "metricName": f"compute.googleapis.com/{shown.lower()}", "limitName": limit_name,
            "dimensions": dimensions, "limit": limit}}])


def shown(world: World, project: Project, where: str) -> list[Json]:
    """The quotas of projects.get or regions.get; families are in the Cloud Quotas API only."""
    used = usage(project)
    return [{"metric": metric, "limit": limit, "usage": float(used[place, metric])}
            for (place, metric), limit in sorted(project.limits.items())
            if place == where and metric not in world.catalogue.quotas["families"]]
