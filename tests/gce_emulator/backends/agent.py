# SPDX-License-Identifier: Apache-2.0
"""The guest agent of one local machine, played from outside through the daemon's API: users and
keys as the metadata says, host keys into guest attributes at the first boot, the serial console."""
from __future__ import annotations

import asyncio
import datetime
import shlex

from .. import guest
from .base import Instance
from .lxd_api import Lxd, LxdError

SERIAL_MAX = 1 << 20
SUDOERS = "/etc/sudoers.d/google_sudoers"
# Makes the user when it is not there and prints its entry in passwd.
ADD_USER = """set -e
id -u "$1" >/dev/null 2>&1 || useradd -m -s /bin/bash -p '*' "$1"
groupadd -f google-sudoers
for group in {groups}; do
    ! getent group "$group" >/dev/null || gpasswd -a "$1" "$group" >/dev/null
done
getent passwd "$1"
""".format(groups=" ".join(guest.GROUPS))
# May be said twice: what failed behind it is tried again.
REMOVE_USER = """! id -nG "$1" | grep -qw google-sudoers || gpasswd -d "$1" google-sudoers"""


class Agent:
    def __init__(self, lxd: Lxd, machine: str, instance: Instance) -> None:
        self.lxd = lxd
        self.machine = machine
        self.instance = instance
        self.attributes: dict[str, str] = {}
        self.users: dict[str, list[str]] = {}
        self.booted = False  # the first boot is over
        self.text = ""       # of the serial console
        self.console_seen = 0
        self.wanted = asyncio.Event()
        self.task: asyncio.Task | None = None

    def boot(self) -> None:
        """The machine has been started."""
        self.console_seen = 0
        self.wanted.set()
        self.task = asyncio.create_task(self.run())

    def wake(self) -> None:
        self.wanted.set()

    async def halt(self) -> None:
        """Before the machine stops."""
        await self.read_console()
        # Before Python 3.12 wait_for loses a cancel that comes as its result does: once is not enough.
        while self.task and not self.task.done():
            self.task.cancel()
            await asyncio.wait({self.task}, timeout=1)
        self.task = None

    def say(self, text: str) -> None:
        self.text = (self.text + f"GCEGuestAgent (SIMULATED): {text}\r\n")[-SERIAL_MAX:]

    async def run(self) -> None:
        """Until the machine stops: keys whenever the metadata changes or a key expires."""
        while True:
            try:
                if not self.booted:
                    await self.first_boot()
                    self.booted = True
                await self.wait()
                self.wanted.clear()
                await self.apply()
            except (LxdError, OSError, ValueError) as error:
                self.say(f"failed, and tries again: {error}")
                self.wanted.set()
                await asyncio.sleep(2)

    def decide(self) -> guest.Decision:
        return guest.decide(self.instance.metadata(), self.instance.project_metadata())

    async def wait(self) -> None:
        change = self.decide().next_change
        seconds = None
        if change:
            now = datetime.datetime.now(datetime.timezone.utc)
            seconds = max(0.0, (change - now).total_seconds()) + 0.1
        try:
            await asyncio.wait_for(self.wanted.wait(), seconds)
        except asyncio.TimeoutError:
            pass  # a key has expired

    async def first_boot(self) -> None:
        """Host keys are written once, and only if the metadata asked for it by then."""
        end = asyncio.get_running_loop().time() + 120
        while not (await self.lxd.pull(self.machine, "/run/sshd.pid") or b"").strip():
            if asyncio.get_running_loop().time() > end:
                self.say("sshd has not started within 120 s")
                return
            await asyncio.sleep(0.3)
        if not guest.wants_guest_attributes(
                self.instance.metadata(), self.instance.project_metadata()):
            self.say("guest attributes are not enabled")
            return
        keys = []
        for kind in ("rsa", "ecdsa", "ed25519"):
            key = await self.lxd.pull(self.machine, f"/etc/ssh/ssh_host_{kind}_key.pub")
            keys += [key.decode(errors="replace")] if key else []
        self.attributes = guest.host_key_attributes(keys)
        self.say(f"wrote {len(self.attributes)} host keys to guest attributes")

    async def apply(self) -> None:
        decision = self.decide()
        for why in decision.skipped:
            self.say(f"skipped a key: {why}")
        if decision.users and not self.users:
            await self.lxd.push(self.machine, SUDOERS,
                                "%google-sudoers ALL=(ALL:ALL) NOPASSWD:ALL\n", mode=0o440)
        for user, keys in decision.users.items():
            if self.users.get(user) != keys:
                await self.set_keys(user, keys)
        for user in set(self.users) - set(decision.users):
            await self.set_keys(user, [])
            await self.sh(REMOVE_USER, user)
        self.users = decision.users

    async def sh(self, script: str, *args: str) -> str:
        status, printed = await self.lxd.run(self.machine, ["sh", "-c", script, "sh", *args])
        if status != 0:
            raise LxdError(500, f"{shlex.join(args)}: exit status {status}: {printed[-300:]}")
        return printed

    async def set_keys(self, user: str, keys: list[str]) -> None:
        entry = (await self.sh(ADD_USER, user)).strip().splitlines()[-1].split(":")
        uid, gid, home = int(entry[2]), int(entry[3]), entry[5]
        path = f"{home}/.ssh/authorized_keys"
        before = (await self.lxd.pull(self.machine, path) or b"").decode(errors="replace")
        await self.sh('install -d -m 0700 -o "$1" -g "$2" "$3"', str(uid), str(gid), home + "/.ssh")
        await self.lxd.push(self.machine, path, guest.merge_authorized_keys(before, keys),
                            mode=0o600, uid=uid, gid=gid)
        self.say(f"user {user}: {len(keys)} keys")

    async def read_console(self) -> None:
        """What the machine has printed since the last look goes to the end of the text."""
        try:
            status, data = await self.lxd.raw("GET", f"/1.0/instances/{self.machine}/console")
        except OSError:
            return
        if status == 200 and len(data) > self.console_seen:
            self.text += data[self.console_seen:].decode(errors="replace")
            self.console_seen = len(data)
            self.text = self.text[-SERIAL_MAX:]

    async def serial(self) -> str:
        await self.read_console()
        return self.text
