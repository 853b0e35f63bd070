# SPDX-License-Identifier: Apache-2.0
"""The contract between the emulator and what stands behind its instances.

The emulator owns the resource (what the API says); a backend owns the machine. All methods run on
the emulator's event loop and must not block it. A failure is raised as BackendError: the operation
under way then ends with INTERNAL_ERROR and that text.
"""
from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


class BackendError(Exception):
    """The machine could not be made, started, stopped or read."""


@dataclass
class Addresses:
    """Where a started machine is. external is used only when the instance asked for one."""

    internal: str
    external: str


@dataclass
class Instance:
    """One instance: the API's resource, and what backends want to know of it without digging."""

    project: str
    zone: str
    resource: dict[str, Any]  # as instances.get gives it; the emulator changes it
    machine_type: str  # "n1-standard-2"
    vcpus: int
    memory_mb: int
    gpu_type: str | None = None  # attached or built in
    gpu_count: int = 0
    spot: bool = False
    image: str = ""  # "projects/ubuntu-os-cloud/global/images/ubuntu-2404-…"
    disk_gb: int = 10
    wants_external: bool = False
    arch: str = "X86_64"
    # Metadata of the project as it is now (key → value); set by the emulator.
    project_metadata: Callable[[], dict[str, str]] = field(default=dict)
    backend_data: Any = None  # the backend's own
    made_at: float = field(default_factory=time.monotonic)

    @property
    def name(self) -> str:
        return str(self.resource["name"])

    @property
    def id(self) -> str:
        """Numeric, unique for ever: a machine made anew under the same name has another one."""
        return str(self.resource["id"])

    def metadata(self) -> dict[str, str]:
        """Metadata of the instance itself as it is now, key → value."""
        items = self.resource.get("metadata", {}).get("items", [])
        return {item["key"]: item.get("value", "") for item in items}


class Backend(ABC):
    """One per emulator."""

    def __init__(self, option: str | None = None) -> None:
        self.option = option  # --backend NAME:OPTION

    async def open(self) -> None:
        """Once, before the first request."""

    async def close(self) -> None:
        """Once, at the end: everything that was made goes."""

    @abstractmethod
    async def start(self, instance: Instance) -> Addresses:
        """Makes and starts the machine, or starts a stopped one. Returns when the machine runs (not
        when SSH answers: boot goes on behind it, as at Google)."""

    @abstractmethod
    async def stop(self, instance: Instance) -> None:
        """Stops it; its disk stays."""

    @abstractmethod
    async def delete(self, instance: Instance) -> None:
        """Removes it and its disk; must do for one that never started."""

    async def reset(self, instance: Instance) -> None:
        await self.stop(instance)
        await self.start(instance)

    async def metadata_changed(self, instance: Instance) -> None:
        """Metadata of the instance or of its project changed: what the guest agent would do (keys,
        users) happens here. Also called once after start."""

    async def firewalls_changed(self, project: str, rules: list[dict[str, Any]]) -> None:
        """The firewall rules of a project, as the API lists them, after each change of them or of
        an instance's tags; also once after open."""

    async def guest_attributes(self, instance: Instance) -> dict[str, str]:
        """NAMESPACE/KEY → value, such as hostkeys/ssh-ed25519 → base64. Empty until the guest
        has written them. The emulator itself hides them all unless enable-guest-attributes is on
        (instance's value beats the project's)."""
        return {}

    async def serial(self, instance: Instance) -> str:
        """The whole text of serial port 1 since the machine was made."""
        return ""

    async def tcp(self, instance: Instance, port: int) -> tuple[str, int] | None:
        """Where a connection to that port of the machine's nic0 must go (for the IAP relay); None:
        nothing can be reached."""
        return None
