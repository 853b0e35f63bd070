# SPDX-License-Identifier: Apache-2.0
"""Instances for scale: each is an address 127.x.y.z of one listener on loopback, behind which the
real OpenSSH server answers (sshd_listener.py). A session runs no program of the client's: what it
asks for is noted, and answered with success. Users need not exist on the host: as root the listener
has a mount namespace with a passwd file of its own, in which they are `nobody`.

    --backend sshd[:key=value,…]
        port=22           where the listener is on every address; not root: take one over 1023, and
                          only the user who runs the emulator can log in
        host_keys=shared|each   one host key for all (cheap), or one for each instance
"""
from __future__ import annotations

import asyncio
import contextlib
import datetime
import os
import pathlib
import pwd
import shutil
import sys
import tempfile
from dataclasses import dataclass, field

from .. import guest
from .base import Addresses, Backend, BackendError, Instance

CONFIG = """HostKey {folder}/host_key
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
StrictModes no
UseDNS no
PrintMotd no
PidFile none
PermitTTY no
AllowTcpForwarding no
X11Forwarding no
ForceCommand {folder}/answer
"""
# Nothing of what a client asks for may run on the host.
ANSWER = """#!/bin/sh
# A SIMULATED machine: answers success to everything and runs nothing.
exec cat >/dev/null
"""


@dataclass
class Place:
    """What stands behind an instance: an address, and its folder while it runs."""

    address: str
    folder: pathlib.Path
    attributes: dict[str, str] = field(default_factory=dict)
    booted: bool = False
    said: list[str] = field(default_factory=list)
    timer: asyncio.TimerHandle | None = None


async def make_key(path: pathlib.Path) -> str:
    """A new Ed25519 key in a file; its public line."""
    process = await asyncio.create_subprocess_exec(
        "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "SIMULATED", "-f", str(path))
    if await process.wait() != 0:
        raise BackendError(f"ssh-keygen could not write {path}")
    return path.with_name(path.name + ".pub").read_text()


class Implementation(Backend):
    def __init__(self, option: str | None = None) -> None:
        super().__init__(option)
        self.options = {"port": "22", "host_keys": "shared"}
        for part in filter(None, (option or "").split(",")):
            key, _, value = part.partition("=")
            if key not in self.options:
                raise ValueError(f"backend sshd: no option {key!r}")
            self.options[key] = value
        self.port = int(self.options["port"])
        self.folder = pathlib.Path()
        self.public = ""
        self.count = 0
        self.users: set[str] = set()
        self.listener: asyncio.subprocess.Process | None = None

    async def open(self) -> None:
        sshd = shutil.which("sshd", path="/usr/sbin:/sbin:" + os.environ.get("PATH", ""))
        if sshd is None:
            raise BackendError("no sshd: install openssh-server")
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="gce-sshd-"))
        self.folder.chmod(0o755)
        (self.folder / "up").mkdir()
        (self.folder / "config").write_text(CONFIG.format(folder=self.folder))
        (self.folder / "answer").write_text(ANSWER)
        (self.folder / "answer").chmod(0o755)
        (self.folder / "passwd").write_text(pathlib.Path("/etc/passwd").read_text())
        self.users = {entry.pw_name for entry in pwd.getpwall()}
        self.public = await make_key(self.folder / "host_key")
        argv = [sys.executable, os.path.join(os.path.dirname(__file__), "sshd_listener.py"),
                str(self.folder), str(self.port), sshd]
        if os.geteuid() == 0:
            os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
            argv = ["unshare", "--mount", "--propagation", "private", "sh", "-c",
                    'mount --bind "$1/passwd" /etc/passwd && shift && exec "$@"', "sh",
                    str(self.folder), *argv]
        self.listener = await asyncio.create_subprocess_exec(
            *argv, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
        assert self.listener.stdout is not None
        if (await self.listener.stdout.readline()).strip() != b"ready":
            raise BackendError(f"the listener on port {self.port} of loopback did not start")

    async def close(self) -> None:
        if self.listener is not None:
            if self.listener.stdin is not None:
                self.listener.stdin.close()  # its end: the listener goes, and its sessions
            await self.listener.wait()
        if self.folder != pathlib.Path():
            shutil.rmtree(self.folder, ignore_errors=True)

    def place_of(self, instance: Instance) -> Place:
        if instance.backend_data is None:
            self.count += 1
            n = self.count
            address = f"127.{77 + n // 65025 % 100}.{n // 255 % 255}.{n % 255 + 1}"
            instance.backend_data = Place(address, self.folder / "up" / address)
        place: Place = instance.backend_data
        return place

    async def start(self, instance: Instance) -> Addresses:
        place = self.place_of(instance)
        place.folder.mkdir(exist_ok=True)
        public = self.public
        if self.options["host_keys"] == "each":
            key = place.folder / "host_key"
            public = key.with_name("host_key.pub").read_text() if key.exists() else (
                await make_key(key))
        if not place.booted:
            place.booted = True
            if guest.wants_guest_attributes(instance.metadata(), instance.project_metadata()):
                place.attributes = guest.host_key_attributes([public])
        (place.folder / "up").touch()
        place.said.append("started")
        return Addresses(place.address, place.address)

    async def stop(self, instance: Instance) -> None:
        place = self.place_of(instance)
        (place.folder / "up").unlink(missing_ok=True)
        place.said.append("stopped")

    async def delete(self, instance: Instance) -> None:
        place = self.place_of(instance)
        if place.timer:
            place.timer.cancel()
        shutil.rmtree(place.folder, ignore_errors=True)

    async def metadata_changed(self, instance: Instance) -> None:
        place = self.place_of(instance)
        if not place.folder.exists():
            return
        decision = guest.decide(instance.metadata(), instance.project_metadata())
        place.said += [f"skipped a key: {why}" for why in decision.skipped]
        for path in place.folder.glob("keys-*"):
            if path.name[5:] not in decision.users:
                path.unlink()
        for user, keys in decision.users.items():
            self.add_user(user)
            (place.folder / f"keys-{user}").write_text("\n".join(keys) + "\n")
            place.said.append(f"user {user}: {len(keys)} keys")
        if place.timer:
            place.timer.cancel()
        if decision.next_change:
            now = datetime.datetime.now(datetime.timezone.utc)
            place.timer = asyncio.get_running_loop().call_later(
                max(0.0, (decision.next_change - now).total_seconds()) + 0.1,
                lambda: asyncio.ensure_future(self.metadata_changed(instance)))

    def add_user(self, user: str) -> None:
        if user not in self.users:
            self.users.add(user)
            with open(self.folder / "passwd", "a", encoding="utf-8") as file:
                file.write(f"{user}:*:65534:65534:SIMULATED:/nonexistent:/bin/sh\n")

    async def guest_attributes(self, instance: Instance) -> dict[str, str]:
        return self.place_of(instance).attributes

    async def serial(self, instance: Instance) -> str:
        return "".join(f"SIMULATED: {line}\r\n" for line in self.place_of(instance).said)

    async def tcp(self, instance: Instance, port: int) -> tuple[str, int] | None:
        place = self.place_of(instance)
        with contextlib.suppress(OSError):
            if (place.folder / "up").exists():
                return place.address, self.port if port == 22 else port
        return None
