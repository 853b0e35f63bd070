# SPDX-License-Identifier: Apache-2.0
"""All state of the emulator: projects and what is in them."""
from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from .backends.base import Backend, Instance
from .catalogue import Catalogue
from .errors import ApiError, invalid, not_found
from .faults import Faults
from .ids import BASE, Ids, fingerprint, timestamp
from .operations import Operations
from .settings import Settings

Json = dict[str, Any]
Key = tuple[str, str]  # zone or region, name


@dataclass
class Stock:
    """GPUs of one kind in one zone."""

    count: int | None = None
    hidden: bool = False  # not seen by the check up front of bulkInsert: fails on the way


@dataclass
class Project:
    name: str
    number: str
    metadata: Json
    limits: dict[tuple[str, str], float]  # ("global" or region, metric) → limit
    instances: dict[Key, Instance] = field(default_factory=dict)
    disks: dict[Key, Json] = field(default_factory=dict)
    addresses: dict[Key, Json] = field(default_factory=dict)
    firewalls: dict[str, Json] = field(default_factory=dict)
    networks: dict[str, Json] = field(default_factory=dict)
    subnetworks: dict[Key, Json] = field(default_factory=dict)
    launching: dict[str, asyncio.Event] = field(default_factory=dict)  # by instance id
    request_ids: dict[str, tuple[tuple[str, str, str], Json]] = field(default_factory=dict)
    charged: dict[Key, Counter[Key]] = field(default_factory=dict)  # quota.py's
    used: Counter[Key] = field(default_factory=Counter)
    default_firewalls: frozenset[str] = frozenset()

    def metadata_map(self) -> dict[str, str]:
        return {item["key"]: item.get("value", "") for item in self.metadata.get("items", [])}


class World:
    def __init__(self, names: list[str], backend: Backend, catalogue: Catalogue,
                 settings: Settings) -> None:
        self.catalogue, self.backend, self.settings = catalogue, backend, settings
        self.ids = Ids()
        self.faults = Faults()
        self.operations = Operations(self)
        self.stock: dict[Key, Stock] = {}
        self.violations: list[str] = []
        self.projects = {name: self._new_project(name) for name in names}
        self._minute: dict[str, tuple[int, int]] = {}

    def violation(self, text: str) -> None:
        """Something that must not happen; tests look here."""
        self.violations.append(text[:4000])

    def project(self, name: str) -> Project:
        found = self.projects.get(name)
        if found is None:
            raise not_found(f"projects/{name}")
        return found

    def check_place(self, params: dict[str, str]) -> None:
        """Zone and region of a path must be there and open."""
        zone, region = params.get("zone"), params.get("region")
        if zone is not None and zone not in self.catalogue.zones and zone != "-":
            raise invalid("zone", zone, "Unknown zone.")
        if region is not None and region not in self.catalogue.regions:
            raise invalid("region", region, "Unknown region.")
        if zone in self.settings.closed_zones:
            raise ApiError(403, "forbidden",
                           f"Location {zone} is not found or access is unauthorized.")

    def count_request(self, project: str) -> None:
        """The rate quota: refilled at every full minute."""
        limit = self.settings.rate_per_minute
        minute = int(time.time() // 60)
        last, used = self._minute.get(project, (minute, 0))
        used = used + 1 if last == minute else 1
        self._minute[project] = (minute, used)
        if limit and used > limit:
            raise ApiError(403, "rateLimitExceeded",
                           "Quota exceeded for quota metric 'Queries' and limit 'Queries per "
                           "minute' of service 'compute.googleapis.com' for consumer "
                           f"'project_number:{self.project(project).number}'.")

    def used_gpus(self, zone: str, kind: str) -> int:
        return sum(instance.gpu_count for project in self.projects.values()
                   for (where, _), instance in project.instances.items()
                   if where == zone and instance.gpu_type == kind
                   and instance.resource["status"] not in ("TERMINATED", "STOPPED"))

    def free_gpus(self, zone: str, kind: str) -> int | None:
        """None: as many as wanted."""
        stock = self.stock.get((zone, kind))
        if stock is None or stock.count is None:
            return None
        return stock.count - self.used_gpus(zone, kind)

    def leftovers(self) -> Json:
        """What would go on costing money."""
        return {name: {
            "instances": sorted(f"{zone}/{own}" for zone, own in project.instances),
            "disks": sorted(f"{zone}/{own}" for zone, own in project.disks),
            "addresses": sorted(f"{region}/{own}" for region, own in project.addresses),
            "firewalls": sorted(set(project.firewalls) - project.default_firewalls),
            "metadata": sorted(project.metadata_map()),
        } for name, project in self.projects.items()}

    async def firewalls_settled(self, project: str) -> None:
        """Rules, or whom they target, have changed: the backend lets in what they say."""
        rules = list(self.projects[project].firewalls.values())
        await self.backend.firewalls_changed(project, rules)

    async def reset(self) -> None:
        """Back to the beginning; the settings stay."""
        await self.operations.close()
        for project in self.projects.values():
            for instance in list(project.instances.values()):
                await self.backend.delete(instance)
        self.projects = {name: self._new_project(name) for name in self.projects}
        self.operations = Operations(self)
        self._minute.clear()
        self.stock.clear()
        self.violations.clear()
        self.faults.clear()
        for name in self.projects:
            await self.firewalls_settled(name)

    def _new_project(self, name: str) -> Project:
        limits = {("global", metric): float(limit)
                  for metric, limit in self.catalogue.quotas["global"].items()}
        for region in self.catalogue.regions:
            for part in ("regional", "families"):
                for metric, limit in self.catalogue.quotas[part].items():
                    limits[region, metric] = float(limit)
        project = Project(name, str(100000000000 + sum(name.encode()) * 7919),
                          {"kind": "compute#metadata", "fingerprint": fingerprint([])}, limits)
        self._network(project)
        return project

    def _network(self, project: Project) -> None:
        """The auto-mode network `default` with its subnetworks and firewall rules."""
        path = f"projects/{project.name}/global/networks/default"
        subnetworks = []
        for number, region in enumerate(sorted(self.catalogue.regions)):
            own = f"projects/{project.name}/regions/{region}/subnetworks/default"
            subnetworks.append(BASE + own)
            project.subnetworks[region, "default"] = {
                "kind": "compute#subnetwork", "id": self.ids.number(), "name": "default",
                "creationTimestamp": timestamp(), "network": BASE + path,
                "ipCidrRange": f"10.{128 + 2 * number}.0.0/20", "gatewayAddress":
                f"10.{128 + 2 * number}.0.1", "purpose": "PRIVATE", "stackType": "IPV4_ONLY",
                "region": f"{BASE}projects/{project.name}/regions/{region}",
                "selfLink": BASE + own, "fingerprint": fingerprint(own)}
        project.networks["default"] = {
            "kind": "compute#network", "id": self.ids.number(), "name": "default",
            "creationTimestamp": timestamp(), "autoCreateSubnetworks": True,
            "description": "Default network for the project", "subnetworks": subnetworks,
            "routingConfig": {"routingMode": "REGIONAL"}, "selfLink": BASE + path,
            "networkFirewallPolicyEnforcementOrder": "AFTER_CLASSIC_FIREWALL"}
        rules: list[tuple[str, str, list[Json]]] = [
            ("default-allow-icmp", "0.0.0.0/0", [{"IPProtocol": "icmp"}]),
            ("default-allow-ssh", "0.0.0.0/0", [{"IPProtocol": "tcp", "ports": ["22"]}]),
            ("default-allow-internal", "10.128.0.0/9", [
                {"IPProtocol": "tcp", "ports": ["0-65535"]},
                {"IPProtocol": "udp", "ports": ["0-65535"]}, {"IPProtocol": "icmp"}])]
        for name, source, allowed in rules:
            project.firewalls[name] = {
                "kind": "compute#firewall", "id": self.ids.number(), "name": name,
                "creationTimestamp": timestamp(), "description": "", "network": BASE + path,
                "priority": 65534, "sourceRanges": [source], "allowed": allowed,
                "direction": "INGRESS", "disabled": False, "logConfig": {"enable": False},
                "selfLink": f"{BASE}projects/{project.name}/global/firewalls/{name}"}
        project.default_firewalls = frozenset(project.firewalls)
