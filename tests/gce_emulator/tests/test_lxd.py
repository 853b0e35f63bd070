# SPDX-License-Identifier: Apache-2.0
"""Instances as machines of the bed's daemon: one machine with a SIMULATED GPU goes through its life
with the real ssh client. About 20 seconds; skipped where the bed does not run."""
import asyncio
import datetime
import os
import shutil
import socket
import subprocess
import tempfile
import time
import unittest

from gce_emulator.backends.base import Instance
from gce_emulator.backends.lxd import Implementation, read_option

PREFIX = os.environ.get("GCE_TEST_PREFIX", "gce-test")
PATIENCE = 120  # seconds, for what takes 5 unless other tests build clusters at the same time
SSH = {"name": "ssh", "network": "default", "sourceRanges": ["0.0.0.0/0"],
       "allowed": [{"IPProtocol": "tcp", "ports": ["22"]}]}


def daemon_answers():
    with socket.socket(socket.AF_UNIX) as sock:
        try:
            sock.connect(read_option(None)["socket"])
            return True
        except OSError:
            return False


class Options(unittest.TestCase):
    def test_unknown_ones_are_refused(self):
        for text in ("colour=blue", "memory"):
            with self.assertRaises(ValueError):
                Implementation(text)
        self.assertEqual(Implementation("memory=2GiB,prefix=x").memory, 2048)


@unittest.skipUnless(daemon_answers() and os.geteuid() == 0, "the test bed does not run")
@unittest.skipUnless(shutil.which("nft", path="/usr/sbin:/sbin:/usr/bin"), "no nft")
class Life(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.folder = tempfile.mkdtemp()
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.folder + "/key"],
                       check=True)
        with open(self.folder + "/key.pub", encoding="ascii") as file:
            self.key = file.read().strip()
        self.project = {"ssh-keys": f"ubuntu:{self.key}"}
        self.items = {"enable-guest-attributes": "TRUE"}
        resource = {"name": "worker-gpu-1", "id": "1234567890123456789", "metadata": {},
                    "networkInterfaces": [{"network": "global/networks/default"}]}
        self.instance = Instance("p", "z", resource, "n1-standard-2", 2, 7680, "nvidia-tesla-t4", 2,
                                 wants_external=True, project_metadata=lambda: self.project)
        self.backend = Implementation(f"prefix={PREFIX},memory=1GiB")
        await self.backend.open()

    async def asyncTearDown(self):
        await self.backend.close()
        shutil.rmtree(self.folder)

    def expiring(self, user, seconds):
        """The test's key for that user, until so many seconds from now."""
        end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
        key_only = " ".join(self.key.split()[:2])
        expiry = f'{{"userName":"{user}","expireOn":"{end:%Y-%m-%dT%H:%M:%S+0000}"}}'
        return f"{user}:{key_only} google-ssh {expiry}"

    async def metadata(self):
        self.instance.resource["metadata"]["items"] = [
            {"key": k, "value": v} for k, v in self.items.items()]
        await self.backend.metadata_changed(self.instance)

    async def ssh(self, user, address, command, host_key):
        known = self.folder + "/known"
        with open(known, "w", encoding="ascii") as file:
            file.write(f"{address} ssh-ed25519 {host_key}\n")
        process = await asyncio.create_subprocess_exec(
            "ssh", "-i", self.folder + "/key", "-o", "BatchMode=yes", "-F", "none",
            "-o", "StrictHostKeyChecking=yes", "-o", f"UserKnownHostsFile={known}",
            "-o", "ConnectTimeout=5", f"{user}@{address}", command,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT)
        out, _ = await process.communicate()
        return process.returncode, out.decode()

    async def agent_said(self):
        said = (await self.backend.serial(self.instance)).splitlines()
        return "\n".join(line for line in said if "GCEGuestAgent" in line)

    async def until(self, wanted, *args):
        """The session's output, once its exit status is the wanted one."""
        end = time.monotonic() + PATIENCE
        status, out = None, ""
        while time.monotonic() < end:
            status, out = await self.ssh(*args)
            if status == wanted:
                return out
            await asyncio.sleep(0.2)
        self.fail(f"{args}: {status}, {out}, {await self.agent_said()}")
        return ""

    async def host_key(self):
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            attributes = await self.backend.guest_attributes(self.instance)
            if attributes:
                return attributes["hostkeys/ssh-ed25519"]
            await asyncio.sleep(0.2)
        self.fail(await self.backend.serial(self.instance))
        return ""

    async def test_from_start_to_deletion(self):
        instance, backend = self.instance, self.backend
        self.instance.resource["metadata"]["items"] = [
            {"key": k, "value": v} for k, v in self.items.items()]
        addresses = await backend.start(instance)
        self.assertNotEqual(addresses.internal, addresses.external)
        key = await self.host_key()
        # Closed until a rule opens it; the internal address is inside.
        self.assertNotEqual((await self.ssh("ubuntu", addresses.external, "true", key))[0], 0)
        await backend.firewalls_changed("p", [SSH])
        look = "hostname; sudo -n id -u; nvidia-smi -L; ls -d /dev/nvidia[0-9]"
        said = await self.until(0, "ubuntu", addresses.external, look, key)
        self.assertEqual(said.splitlines()[:2], ["worker-gpu-1", "0"])
        self.assertEqual(said.count("GPU-"), 2, said)
        self.assertIn("/dev/nvidia1", said)
        self.assertIn("user ubuntu: 1 keys", await backend.serial(instance))
        where = await backend.tcp(instance, 22)
        self.assertEqual(where, (addresses.internal, 22))

        # The metadata of a running machine changes: another user, whose key then soon expires.
        self.items["block-project-ssh-keys"] = "TRUE"
        self.items["ssh-keys"] = self.expiring("other", 3600)
        await self.metadata()
        await self.until(0, "other", addresses.external, "sudo -n true", key)
        await self.until(255, "ubuntu", addresses.external, "true", key)
        self.items["ssh-keys"] = self.expiring("other", 5)
        await self.metadata()
        await self.until(255, "other", addresses.external, "true", key)
        del self.items["block-project-ssh-keys"]
        await self.metadata()
        await self.until(0, "ubuntu", addresses.external, "sudo -n true", key)
        self.items["enable-oslogin"] = "TRUE"
        await self.metadata()
        await self.until(255, "ubuntu", addresses.external, "true", key)
        del self.items["enable-oslogin"]
        await self.metadata()

        # Stopped, started again: the disk and the host key stay.
        await backend.stop(instance)
        self.assertIsNone(await backend.tcp(instance, 22))
        before = await backend.serial(instance)
        addresses = await backend.start(instance)
        await self.until(0, "ubuntu", addresses.external, "true", await self.host_key())
        self.assertTrue((await backend.serial(instance)).startswith(before))
        name = backend.machine_of(instance).name
        await backend.delete(instance)
        self.assertNotIn(name, [m["name"] for m in await backend.lxd.instances()])

    async def test_without_the_switch_no_attributes_and_leftovers_go(self):
        await self.backend.start(self.instance)
        name = self.backend.machine_of(self.instance).name
        agent = self.backend.machine_of(self.instance).agent
        end = time.monotonic() + PATIENCE
        while not agent.booted and time.monotonic() < end:
            await asyncio.sleep(0.2)
        self.assertTrue(agent.booted, await self.backend.serial(self.instance))
        self.assertEqual(await self.backend.guest_attributes(self.instance), {})
        # As if this emulator had been killed: the next one of the same prefix removes its machines.
        await self.backend.lxd.call("PATCH", f"/1.0/instances/{name}",
                                    {"config": {"user.gce-emulator": f"{PREFIX} 1 1"}})
        await agent.halt()
        other = Implementation(f"prefix={PREFIX}")
        await other.open()
        self.assertNotIn(name, [m["name"] for m in await other.lxd.instances()])
        await other.close()
        self.assertEqual(
            subprocess.run(["nft", "list", "table", "ip", other.external.table],
                           capture_output=True, check=False).returncode, 1)


if __name__ == "__main__":
    unittest.main()
