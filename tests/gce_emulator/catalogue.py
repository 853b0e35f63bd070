# SPDX-License-Identifier: Apache-2.0
"""What the emulated cloud has on offer, read from catalogue/*.json."""
from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CUSTOM = re.compile(r"(?:n1-)?custom-(\d+)-(\d+)(?:-ext)?")


@dataclass(frozen=True)
class MachineType:
    name: str
    vcpus: int
    memory_mb: int
    gpu: str | None = None
    gpus: int = 0
    arch: str = "X86_64"
    obtain: tuple[str, ...] = ()  # empty: also on demand

    @property
    def n1(self) -> bool:
        return self.name.startswith("n1-") or self.name.startswith("custom-")

    @property
    def shared_core(self) -> bool:
        return self.name in ("f1-micro", "g1-small")


@dataclass(frozen=True)
class Accelerator:
    name: str
    description: str
    most: int
    zones: frozenset[str]
    metric: str | None = None
    spot_metric: str | None = None
    family: str | None = None
    limits: dict[str, list[int]] = field(default_factory=dict)
    limits_in: dict[str, dict[str, list[int]]] = field(default_factory=dict)

    def limit(self, count: int, zone: str) -> tuple[int, int] | None:
        """Most vCPUs and GB for so many attached to an N1; None: not so many."""
        pair = self.limits_in.get(zone, {}).get(str(count)) or self.limits.get(str(count))
        return (pair[0], pair[1]) if pair else None


@dataclass(frozen=True)
class Image:
    project: str
    family: str
    name: str
    gb: int
    arch: str = "X86_64"
    deprecated: str | None = None

    @property
    def path(self) -> str:
        return f"projects/{self.project}/global/images/{self.name}"


class Catalogue:
    def __init__(self, folder: Path | None = None) -> None:
        folder = folder or Path(__file__).parent / "catalogue"

        def load(name: str) -> Any:
            return json.loads((folder / f"{name}.json").read_text())

        self.regions: dict[str, list[str]] = {
            region: [f"{region}-{letter}" for letter in letters]
            for region, letters in load("places")["regions"].items()}
        self.zones = {zone: region for region, zones in self.regions.items() for zone in zones}
        self.machine_types = {row["name"]: MachineType(
            row["name"], row["vcpus"], row["memoryMb"], row.get("gpu"), row.get("gpus", 0),
            row.get("arch", "X86_64"), tuple(row.get("obtain", ())))
            for row in load("machine_types")["machineTypes"]}
        self.accelerators = {row["name"]: Accelerator(
            row["name"], row["description"], row["max"], frozenset(row["zones"]),
            row.get("metric"), row.get("spotMetric"), row.get("family"), row.get("limits", {}),
            row.get("limitsIn", {})) for row in load("accelerators")["accelerators"]}
        self.images = [Image(**row) for row in load("images")["images"]]
        quotas = load("quotas")
        self.quotas: dict[str, dict[str, float]] = {
            name: quotas[name] for name in ("global", "regional", "families")}

    def machine_type(self, name: str, zone: str) -> MachineType | None:
        found = self.machine_types.get(name)
        if found is not None:
            there = found.gpu is None or zone in self.accelerators[found.gpu].zones
            return found if there else None
        custom = CUSTOM.fullmatch(name)
        if custom is None:
            return None
        vcpus, memory = int(custom[1]), int(custom[2])
        if vcpus != 1 and vcpus % 2 or not 1 <= vcpus <= 96 or memory % 256:
            return None
        return MachineType(name, vcpus, memory)

    def machine_types_in(self, zone: str) -> list[MachineType]:
        return [entry for name in sorted(self.machine_types)
                if (entry := self.machine_type(name, zone)) is not None]

    def accelerators_in(self, zone: str) -> list[Accelerator]:
        return [entry for _, entry in sorted(self.accelerators.items()) if zone in entry.zones]

    def image(self, project: str, name: str) -> Image | None:
        return next((image for image in self.images
                     if image.project == project and image.name == name), None)

    def family(self, project: str, family: str) -> Image | None:
        """The newest that is not deprecated."""
        found = [image for image in self.images if image.project == project
                 and image.family == family and image.deprecated is None]
        return max(found, key=lambda image: image.name, default=None)
