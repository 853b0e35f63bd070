# SPDX-License-Identifier: Apache-2.0
"""No machines: instances are records only, with addresses of the documentation ranges."""
from __future__ import annotations

import base64
import hashlib

from .base import Addresses, Backend, Instance


class Implementation(Backend):
    def __init__(self, option: str | None = None) -> None:
        super().__init__(option)
        self._next = 0

    async def start(self, instance: Instance) -> Addresses:
        if instance.backend_data is None:
            self._next += 1
            n = self._next
            # 10.128.0.0/9 is what auto-mode networks use; 203.0.113.0/24 is for documentation.
            instance.backend_data = Addresses(
                f"10.{128 + n // 65536 % 128}.{n // 256 % 256}.{n % 256}",
                f"203.0.113.{n % 254 + 1}")
        addresses: Addresses = instance.backend_data
        return addresses

    async def stop(self, instance: Instance) -> None:
        return None

    async def delete(self, instance: Instance) -> None:
        return None

    async def guest_attributes(self, instance: Instance) -> dict[str, str]:
        if instance.resource.get("status") != "RUNNING":
            return {}
        kind = b"ssh-ed25519"
        key = hashlib.sha256(instance.id.encode()).digest()
        blob = len(kind).to_bytes(4, "big") + kind + len(key).to_bytes(4, "big") + key
        return {"hostkeys/ssh-ed25519": base64.b64encode(blob).decode()}

    async def serial(self, instance: Instance) -> str:
        return f"SIMULATED: {instance.name} has no machine behind it\n"
