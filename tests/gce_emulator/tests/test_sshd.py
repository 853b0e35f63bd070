# SPDX-License-Identifier: Apache-2.0
"""The backend for scale, with the real ssh client: host keys, users, keys that come and go."""
import asyncio
import os
import shutil
import socket
import subprocess
import tempfile
import time
import unittest

from gce_emulator.backends.base import Instance
from gce_emulator.backends.sshd import Implementation


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def instance_of(name, number, metadata, project=None):
    items = [{"key": k, "value": v} for k, v in metadata.items()]
    resource = {"name": name, "id": str(10**18 + number), "metadata": {"items": items}}
    return Instance("p", "z", resource, "n1-standard-2", 2, 7680,
                    project_metadata=lambda: project or {})


@unittest.skipUnless(shutil.which("sshd", path="/usr/sbin:/sbin") and shutil.which("ssh-keygen"),
                     "no OpenSSH server")
@unittest.skipUnless(os.geteuid() == 0, "users that the host has not need root")
class Sshd(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.folder = tempfile.mkdtemp()
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.folder + "/key"],
                       check=True)
        with open(self.folder + "/key.pub", encoding="ascii") as file:
            self.key = file.read().strip()
        self.backend = Implementation(f"port={free_port()}")
        await self.backend.open()

    async def asyncTearDown(self):
        await self.backend.close()
        shutil.rmtree(self.folder)

    async def ssh(self, user, address, host_key):
        known = self.folder + "/known"
        with open(known, "w", encoding="ascii") as file:
            file.write(f"[{address}]:{self.backend.port} ssh-ed25519 {host_key}\n")
        process = await asyncio.create_subprocess_exec(
            "ssh", "-p", str(self.backend.port), "-i", self.folder + "/key", "-o", "BatchMode=yes",
            "-o", "StrictHostKeyChecking=yes", "-o", f"UserKnownHostsFile={known}", "-F", "none",
            "-o", "IdentitiesOnly=yes", f"{user}@{address}", "touch /gce-emulator-was-here",
            stdin=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE)
        _, err = await process.communicate()
        return process.returncode, err.decode()

    async def up(self, instance):
        addresses = await self.backend.start(instance)
        await self.backend.metadata_changed(instance)
        return addresses.external

    async def test_login_with_the_host_key_of_the_attributes(self):
        instance = instance_of("a", 1, {"ssh-keys": f"ubuntu:{self.key}",
                                        "enable-guest-attributes": "TRUE"})
        address = await self.up(instance)
        attributes = await self.backend.guest_attributes(instance)
        key = attributes["hostkeys/ssh-ed25519"]
        status, err = await self.ssh("ubuntu", address, key)
        self.assertEqual(status, 0, err)
        self.assertFalse(os.path.exists("/gce-emulator-was-here"))
        other = await self.up(instance_of("b", 2, {}))
        self.assertNotEqual(other, address)
        self.assertIn("Permission denied", (await self.ssh("ubuntu", other, key))[1])
        instance.resource["metadata"]["items"] = []
        await self.backend.metadata_changed(instance)
        self.assertIn("Permission denied", (await self.ssh("ubuntu", address, key))[1])

    async def test_no_attributes_without_the_switch(self):
        instance = instance_of("a", 1, {})
        await self.up(instance)
        self.assertEqual(await self.backend.guest_attributes(instance), {})

    async def test_stopped_and_deleted_refuse(self):
        instance = instance_of("a", 1, {"ssh-keys": f"ubuntu:{self.key}"})
        address = await self.up(instance)
        self.assertIsNotNone(await self.backend.tcp(instance, 22))
        await self.backend.stop(instance)
        self.assertIsNone(await self.backend.tcp(instance, 22))
        self.assertIn("reset", (await self.ssh("ubuntu", address, "AAAA"))[1])
        await self.backend.delete(instance)

    async def test_a_thousand_start_at_once(self):
        all_of = [instance_of(f"m{i}", i, {"ssh-keys": f"ubuntu:{self.key}"}) for i in range(1000)]
        start = time.monotonic()
        addresses = await asyncio.gather(*(self.up(i) for i in all_of))
        self.assertEqual(len(set(addresses)), 1000)
        self.assertLess(time.monotonic() - start, 10)


if __name__ == "__main__":
    unittest.main()
