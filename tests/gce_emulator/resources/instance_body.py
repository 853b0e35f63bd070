# SPDX-License-Identifier: Apache-2.0
"""What instances.insert makes of its body: checks, defaults, the resource. Nothing is stored."""
from __future__ import annotations

import re
from typing import Any

from ..backends.base import Instance
from ..call import Json
from ..catalogue import Accelerator, MachineType
from ..errors import ApiError, invalid, not_found
from ..ids import BASE, between, fingerprint, last, timestamp
from ..world import Project, World
from . import disk_body, limits

NAME = re.compile(r"[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?")
LIVE_MIGRATION = "Instances with guest accelerators do not support live migration."


class Builder:
    """One body; steps in the order of build()."""

    def __init__(self, world: World, project: Project, zone: str, body: Json, name: str) -> None:
        self.world, self.project, self.zone = world, project, zone
        self.body, self.name = body, name
        self.region = world.catalogue.zones[zone]
        self.path = f"projects/{project.name}/zones/{zone}/instances/{name}"

    def build(self) -> tuple[Instance, list[Json]]:
        """The instance and its new disks."""
        if not NAME.fullmatch(self.name):
            raise invalid("resource.name", self.name, "Must be a match of regex "
                          "'(?:[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?)'")
        limits.labels("resource.labels", self.body.get("labels", {}))
        limits.metadata(self.body.get("metadata", {}))
        machine = self._machine_type()
        attached = self._accelerators(machine)
        spot = self._scheduling(machine, attached)
        self._obtainable(machine, spot)
        interfaces = self._interfaces()
        attached_disks, disks, image = disk_body.build(self, machine)
        resource = self._resource(machine, attached, interfaces, attached_disks)
        gpu_type = attached[0].name if attached else machine.gpu
        instance = Instance(
            self.project.name, self.zone, resource, machine.name, machine.vcpus,
            machine.memory_mb, gpu_type, attached[1] if attached else machine.gpus, spot, image,
            int(attached_disks[0]["diskSizeGb"]), any("accessConfigs" in i for i in interfaces),
            machine.arch, self.project.metadata_map)
        return instance, disks

    def _machine_type(self) -> MachineType:
        url = self.body.get("machineType", "")
        zone = between(url, "zones")
        if zone is not None and zone != self.zone:
            raise invalid("resource.machineType", url, "Machine type specified in the request is "
                          "in another zone.")
        found = self.world.catalogue.machine_type(last(url), self.zone) if url else None
        if found is None:
            raise invalid("resource.machineType", url, f"Machine type with name '{last(url)}' does "
                          f"not exist in zone '{self.zone}'.")
        return found

    def _accelerators(self, machine: MachineType) -> tuple[Accelerator, int] | None:
        given = self.body.get("guestAccelerators", [])
        if not given:
            return None
        field = "resource.guestAccelerators[0]"
        if len(given) > 1:
            raise invalid("resource.guestAccelerators", len(given),
                          "Only one kind of accelerator can be attached.")
        name, count = last(given[0].get("acceleratorType", "")), given[0].get("acceleratorCount", 0)
        found = self.world.catalogue.accelerators.get(name)
        zone = between(given[0].get("acceleratorType", ""), "zones") or self.zone
        if found is None or self.zone not in found.zones or zone != self.zone:
            raise not_found(f"projects/{self.project.name}/zones/{zone}/acceleratorTypes/{name}")
        if machine.gpu == name and machine.gpus == count:
            return None  # gcloud repeats what the machine type carries
        if machine.gpu or not machine.n1 or machine.shared_core or not found.limits:
            raise ApiError(400, "invalid", f"[{machine.name}, {name}] features and instance "
                           "machine type are not compatible.")
        limit = found.limit(count, self.zone)
        if limit is None:
            raise invalid(f"{field}.acceleratorCount", count, "Number of accelerator cards "
                          f"attached must be one of [{', '.join(found.limits)}].")
        if machine.vcpus > limit[0] or machine.memory_mb > limit[1] * 1024:
            raise invalid("resource.machineType", self.body["machineType"],
                          f"With {count} {name} an instance has at most {limit[0]} vCPUs and "
                          f"{limit[1]} GB of memory; {machine.name} has {machine.vcpus} and "
                          f"{machine.memory_mb / 1024:g}.")
        return found, count

    def _scheduling(self, machine: MachineType, attached: object) -> bool:
        given = self.body.get("scheduling", {})
        spot = given.get("provisioningModel") == "SPOT" or bool(given.get("preemptible"))
        maintenance = given.get("onHostMaintenance", "TERMINATE" if spot else "MIGRATE")
        if (attached or machine.gpu) and maintenance != "TERMINATE":
            raise ApiError(400, "badRequest", LIVE_MIGRATION)
        if spot and given.get("automaticRestart"):
            raise ApiError(400, "badRequest", "Scheduling must have preemptible be false when "
                           "AutomaticRestart is true.")
        if spot and maintenance != "TERMINATE":
            raise ApiError(400, "badRequest", "Scheduling must have preemptible be false when "
                           "OnHostMaintenance isn't TERMINATE.")
        limits.run_duration(given)
        return spot

    def _obtainable(self, machine: MachineType, spot: bool) -> None:
        model = self.body.get("scheduling", {}).get("provisioningModel",
                                                    "SPOT" if spot else "STANDARD")
        reserved = self.body.get("reservationAffinity", {}).get(
            "consumeReservationType") == "SPECIFIC_RESERVATION"
        allowed = not machine.obtain or model in machine.obtain
        if not allowed and not (reserved and "RESERVATION" in machine.obtain):
            raise ApiError(400, "badRequest", f"Machine type {machine.name} cannot be had with "
                           f"provisioning model {model}; it can with "
                           f"{', '.join(machine.obtain)}.")

    def _interfaces(self) -> list[Json]:
        given = self.body.get("networkInterfaces", [])
        if not given:
            raise invalid("resource.networkInterfaces", "",
                          "At least one network interface is required.")
        return [self._interface(number, entry) for number, entry in enumerate(given)]

    def _interface(self, number: int, given: Json) -> Json:
        subnetwork = last(given.get("subnetwork", "default"))
        network = last(given.get("network", "default" if "subnetwork" not in given else ""))
        own = self.project.subnetworks.get((self.region, subnetwork))
        if network and network not in self.project.networks:
            raise not_found(f"projects/{self.project.name}/global/networks/{network}")
        if own is None:
            raise not_found(f"projects/{self.project.name}/regions/{self.region}/subnetworks/"
                            f"{subnetwork}")
        made: Json = {"kind": "compute#networkInterface", "name": f"nic{number}",
                      "network": own["network"], "subnetwork": own["selfLink"],
                      "stackType": "IPV4_ONLY", "fingerprint": fingerprint([self.path, number])}
        if given.get("accessConfigs"):
            made["accessConfigs"] = [
                {"kind": "compute#accessConfig", "type": "ONE_TO_ONE_NAT",
                 "name": entry.get("name", "External NAT"),
                 "networkTier": entry.get("networkTier", "PREMIUM")}
                for entry in given["accessConfigs"]]
        return made

    def _resource(self, machine: MachineType, attached: tuple[Accelerator, int] | None,
                  interfaces: list[Json], disks: list[Json]) -> Json:
        body, zone_url = self.body, f"{BASE}projects/{self.project.name}/zones/{self.zone}"
        items = body.get("metadata", {}).get("items", [])
        tags = body.get("tags", {}).get("items", [])
        labels = body.get("labels", {})
        resource: dict[str, Any] = {
            "kind": "compute#instance", "id": self.world.ids.number(), "name": self.name,
            "creationTimestamp": timestamp(), "description": body.get("description", ""),
            "status": "PROVISIONING", "zone": zone_url,
            "machineType": f"{zone_url}/machineTypes/{machine.name}", "disks": disks,
            "networkInterfaces": interfaces, "canIpForward": body.get("canIpForward", False),
            "cpuPlatform": "Unknown CPU Platform", "startRestricted": False,
            "deletionProtection": body.get("deletionProtection", False),
            "selfLink": BASE + self.path, "labelFingerprint": fingerprint(labels),
            "tags": {"fingerprint": fingerprint(tags)},
            "metadata": {"kind": "compute#metadata", "fingerprint": fingerprint(items)},
            "scheduling": limits.scheduling(body.get("scheduling", {})),
            "resourceStatus": {},
        }
        for place, key, value in ((resource, "labels", labels), (resource["tags"], "items", tags),
                                  (resource["metadata"], "items", items)):
            if value:
                place[key] = value
        if attached or machine.gpu:
            name, count = (attached[0].name, attached[1]) if attached else (machine.gpu,
                                                                            machine.gpus)
            resource["guestAccelerators"] = [
                {"acceleratorType": f"{zone_url}/acceleratorTypes/{name}",
                 "acceleratorCount": count}]
        for key in ("serviceAccounts", "minCpuPlatform", "shieldedInstanceConfig", "hostname",
                    "reservationAffinity", "resourcePolicies", "advancedMachineFeatures"):
            if key in body:
                resource[key] = body[key]
        for account in resource.get("serviceAccounts", []):
            if account.get("email") == "default":
                account["email"] = f"{self.project.number}-compute@developer.gserviceaccount.com"
        return resource
