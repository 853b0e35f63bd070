# SPDX-License-Identifier: Apache-2.0
"""Instances as real local machines: system containers of the test bed's LXD daemon. The guest agent
is played from outside (agent.py); GPUs are the bed's SIMULATED ones.

    --backend lxd[:key=value,…]
        socket=PATH       the daemon; default $GPUC_BED_SOCKET, else the bed's usual place
        prefix=NAME       of the machines' names, default "gce"; leftovers of the same prefix whose
                          emulator has ended are removed at the start
        image=, gpu_image=  aliases; default $GPUC_BED_IMAGE and $GPUC_BED_IMAGE_GPU
        memory=3GiB       a machine has the memory of its type, but never more than this
        external=nat|same an address of its own behind a firewall (root and nft), or the internal one
"""
from __future__ import annotations

import asyncio
import os
import re
import shutil
from dataclasses import dataclass, field
from typing import Any

from .agent import Agent
from .base import Addresses, Backend, BackendError, Instance
from .external import External
from .lxd_api import Lxd, LxdError

MARK = "user.gce-emulator"  # config key of each machine: "PREFIX PID START"
SIMULATED_GPU = "/etc/gpucluster/simulated-gpu/config"
# What a kubelet needs in a system container; the reasons are in the bed's README.
RAW_LXC = """lxc.mount.auto=proc:rw sys:rw cgroup:rw:force
lxc.cap.drop=
lxc.cgroup.devices.allow=a
lxc.cgroup2.devices.allow=a
lxc.mount.entry=/dev/kmsg dev/kmsg none bind,create=file 0 0
"""


def process_start(pid: int) -> str:
    """When that process was started, in ticks; empty when there is none."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def mebibytes(text: str) -> int:
    number = re.fullmatch(r"(\d+)(MiB|GiB)", text)
    if not number:
        raise ValueError(f"{text!r} is not a size such as 3GiB")
    return int(number[1]) * (1024 if number[2] == "GiB" else 1)


def read_option(option: str | None) -> dict[str, str]:
    out = {
        "socket": os.environ.get("GPUC_BED_SOCKET", "/var/lib/gpucluster-bed/lxd/unix.socket"),
        "prefix": "gce",
        "image": os.environ.get("GPUC_BED_IMAGE", "gpucluster-debian-12"),
        "gpu_image": os.environ.get("GPUC_BED_IMAGE_GPU", "gpucluster-debian-12-simgpu"),
        "memory": "3GiB",
        "external": "nat" if os.geteuid() == 0 and shutil.which("nft") else "same",
    }
    for part in filter(None, (option or "").split(",")):
        key, _, value = part.partition("=")
        if key not in out:
            raise ValueError(f"backend lxd: no option {key!r}; there are {', '.join(out)}")
        out[key] = value
    return out


@dataclass
class Machine:
    """A local machine behind an instance."""

    name: str
    agent: Agent
    addresses: Addresses | None = None
    running: bool = False
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Implementation(Backend):
    def __init__(self, option: str | None = None) -> None:
        super().__init__(option)
        self.options = read_option(option)
        self.memory = mebibytes(self.options["memory"])
        self.lxd = Lxd(self.options["socket"])
        self.external = (
            External(self.options["prefix"]) if self.options["external"] == "nat" else None)
        self.mark = f"{self.options['prefix']} {os.getpid()} {process_start(os.getpid())}"

    async def open(self) -> None:
        try:
            await self.remove_leftovers()
            if self.external:
                profile = await self.lxd.call("GET", "/1.0/profiles/default")
                nic = profile["devices"]["eth0"]
                await self.external.open(nic.get("network") or nic["parent"])
        except (LxdError, OSError, KeyError) as error:
            raise BackendError(f"the LXD daemon at {self.lxd.socket}: {error!r}") from error

    async def remove_leftovers(self, *, own: bool = False) -> None:
        """Machines of this prefix whose emulator is gone; with `own` this emulator's too."""
        names = []
        for known in await self.lxd.instances():
            mark = (known.get("config") or {}).get(MARK, "").split()
            if len(mark) == 3 and mark[0] == self.options["prefix"]:
                ours = " ".join(mark) == self.mark
                if (own and ours) or (not ours and process_start(int(mark[1])) != mark[2]):
                    names.append(known["name"])
        await asyncio.gather(*(self.lxd.delete(name) for name in names))

    async def close(self) -> None:
        try:
            await self.remove_leftovers(own=True)
        finally:
            if self.external:
                await self.external.close()

    def machine_of(self, instance: Instance) -> Machine:
        if instance.backend_data is None:
            name = f"{self.options['prefix']}-{instance.name}"[:50].rstrip("-")
            name = f"{name}-{instance.id[-6:]}"
            instance.backend_data = Machine(name, Agent(self.lxd, name, instance))
        machine: Machine = instance.backend_data
        return machine

    def config_of(self, instance: Instance) -> dict[str, str]:
        raw = RAW_LXC
        if os.path.isdir("/sys/kernel/security/apparmor"):
            raw += "lxc.apparmor.profile=unconfined\n"
        return {
            "security.privileged": "true", "security.nesting": "true", "raw.lxc": raw,
            "limits.memory": f"{min(instance.memory_mb, self.memory)}MiB",
            MARK: self.mark, "user.gce-instance": f"{instance.zone}/{instance.name}",
        }

    async def create(self, instance: Instance, machine: Machine) -> None:
        image = self.options["gpu_image" if instance.gpu_count else "image"]
        await self.lxd.call("POST", "/1.0/instances", {
            "name": machine.name, "type": "container", "profiles": ["default"],
            "source": {"type": "image", "alias": image}, "config": self.config_of(instance)})
        if instance.gpu_count:
            await self.lxd.push(machine.name, SIMULATED_GPU,
                                f"gpus={instance.gpu_count}\nfault=none\nfault_gpu=-1\nbusy=0\n")

    async def set_name(self, instance: Instance, machine: Machine) -> None:
        """After the first start, at which the daemon writes the machine's own name."""
        await self.lxd.push(machine.name, "/etc/hostname", instance.name + "\n")
        await self.lxd.push(machine.name, "/etc/hosts",
                            f"127.0.0.1\tlocalhost\n127.0.1.1\t{instance.name}\n"
                            "::1\t\tlocalhost ip6-localhost ip6-loopback\n")
        await self.lxd.run(machine.name, ["hostname", instance.name])

    async def start(self, instance: Instance) -> Addresses:
        machine = self.machine_of(instance)
        async with machine.lock:
            try:
                new = machine.addresses is None
                if new:
                    await self.create(instance, machine)
                await self.lxd.set_state(machine.name, "start")
                if new:
                    await self.set_name(instance, machine)
                internal = await self.lxd.address(machine.name)
                machine.running = True
                machine.addresses = await self.addresses(instance, machine, internal)
            except (LxdError, OSError) as error:
                raise BackendError(f"{machine.name}: {error}") from error
            machine.agent.boot()
        return machine.addresses

    async def addresses(self, instance: Instance, machine: Machine, internal: str) -> Addresses:
        """A machine that was stopped and started comes back with another external address."""
        if not self.external or not instance.wants_external:
            return Addresses(internal, internal)
        if machine.addresses:
            await self.external.release(machine.addresses.external)
        return Addresses(internal, await self.external.take(internal, instance))

    async def stop(self, instance: Instance) -> None:
        machine = self.machine_of(instance)
        async with machine.lock:
            await machine.agent.halt()
            machine.running = False
            try:
                await self.lxd.set_state(machine.name, "stop", force=True)
            except LxdError as error:
                if "already stopped" not in str(error):
                    raise BackendError(f"{machine.name}: {error}") from error

    async def delete(self, instance: Instance) -> None:
        machine = self.machine_of(instance)
        async with machine.lock:
            await machine.agent.halt()
            machine.running = False
            try:
                await self.lxd.delete(machine.name)
            except (LxdError, OSError) as error:
                raise BackendError(f"{machine.name}: {error}") from error
            if self.external and machine.addresses:
                await self.external.release(machine.addresses.external)

    async def metadata_changed(self, instance: Instance) -> None:
        self.machine_of(instance).agent.wake()

    async def firewalls_changed(self, project: str, rules: list[dict[str, Any]]) -> None:
        if self.external:
            await self.external.set_rules(project, rules)

    async def guest_attributes(self, instance: Instance) -> dict[str, str]:
        return self.machine_of(instance).agent.attributes

    async def serial(self, instance: Instance) -> str:
        return await self.machine_of(instance).agent.serial()

    async def tcp(self, instance: Instance, port: int) -> tuple[str, int] | None:
        machine = self.machine_of(instance)
        return (machine.addresses.internal, port) if machine.running and machine.addresses else None
