# SPDX-License-Identifier: Apache-2.0
"""Firewall rules: what comes in, and the table of nftables made of them."""
import shutil
import subprocess
import unittest

from gce_emulator import netrules
from gce_emulator.backends import external

SSH = {"name": "default-allow-ssh", "network": "global/networks/default", "priority": 65534,
       "allowed": [{"IPProtocol": "tcp", "ports": ["22"]}], "sourceRanges": ["0.0.0.0/0"]}
API = {"name": "api", "network": "x/networks/default", "targetTags": ["cp"],
       "allowed": [{"IPProtocol": "tcp", "ports": ["6443", "8000-8010"]}],
       "sourceRanges": ["198.51.100.0/24", "2001:db8::/32"]}
MASTER = {"networkInterfaces": [{"network": "a/networks/default"}], "tags": {"items": ["cp"]}}
WORKER = {"networkInterfaces": [{"network": "a/networks/default"}]}


def comes_in(rules, instance, port, source):
    return netrules.lets_in(rules, instance, "tcp", port, source)


class Decisions(unittest.TestCase):
    def test_closed_by_default(self):
        self.assertFalse(comes_in([], MASTER, 22, "192.0.2.1"))
        self.assertTrue(comes_in([SSH], MASTER, 22, netrules.IAP_RANGE))

    def test_tags_ports_and_sources(self):
        rules = [SSH, API]
        self.assertTrue(comes_in(rules, MASTER, 6443, "198.51.100.7"))
        self.assertTrue(comes_in(rules, MASTER, 8010, "198.51.100.7"))
        self.assertFalse(comes_in(rules, MASTER, 6443, "192.0.2.1"))
        self.assertFalse(comes_in(rules, MASTER, 6444, "198.51.100.7"))
        self.assertFalse(comes_in(rules, WORKER, 6443, "198.51.100.7"))

    def test_other_network_disabled_and_egress(self):
        for change in ({"network": "global/networks/other"}, {"disabled": True},
                       {"direction": "EGRESS"}):
            self.assertFalse(comes_in([{**SSH, **change}], MASTER, 22, "192.0.2.1"), change)

    def test_priority_and_refusals(self):
        deny = {"network": "global/networks/default", "priority": 65534,
                "denied": [{"IPProtocol": "all"}]}
        self.assertFalse(comes_in([SSH, deny], MASTER, 22, "192.0.2.1"))
        self.assertTrue(comes_in([{**SSH, "priority": 10}, deny], MASTER, 22, "192.0.2.1"))


class Table(unittest.TestCase):
    def test_lines_in_order(self):
        self.assertEqual(external.rule_lines("203.0.113.2", [SSH, API], MASTER), [
            "ip daddr 203.0.113.2 ip saddr { 198.51.100.0/24 } "
            "tcp dport { 6443, 8000-8010 } accept",
            "ip daddr 203.0.113.2 tcp dport { 22 } accept"])

    @unittest.skipUnless(shutil.which("nft", path="/usr/sbin:/sbin:/usr/bin"), "no nft")
    def test_nft_reads_it(self):
        deny = {"network": "default", "denied": [{"IPProtocol": "all"}, {"IPProtocol": "icmp"}]}
        checks = external.rule_lines("203.0.113.2", [SSH, API, deny], MASTER)
        for inside in ({}, {"203.0.113.2": "10.0.0.2", "203.0.113.3": "10.0.0.3"}):
            text = external.ruleset("gcesim_test", "203.0.113.0/27", inside, checks)
            done = subprocess.run(["nft", "-c", "-f", "-"], input=text, text=True,
                                  capture_output=True, check=False)
            if "Operation not permitted" in done.stderr:
                self.skipTest("nft needs root")
            self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == "__main__":
    unittest.main()
