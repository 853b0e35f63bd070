# SPDX-License-Identifier: Apache-2.0
"""External addresses of local machines, and the firewall before them: one table of nftables.

As at Google the machine does not have its external address: packets to it are rewritten on the way
(1:1 NAT), and come in only where a firewall rule of the network lets them. Addresses are of
203.0.113.0/24 (documentation), a block of 32 for each emulator on the host."""
from __future__ import annotations

import asyncio
import ipaddress
import os
import re
from typing import Any

from .. import netrules
from .base import BackendError, Instance

NET = ipaddress.ip_network("203.0.113.0/24")
ACTIONS = {True: "accept", False: "drop"}


async def tool(*argv: str, text: str | None = None) -> str:
    process = await asyncio.create_subprocess_exec(
        *argv, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE)
    out, err = await process.communicate(None if text is None else text.encode())
    if process.returncode != 0:
        raise BackendError(f"{' '.join(argv)}: {err.decode(errors='replace').strip()[:500]}")
    return out.decode(errors="replace")


def ports_text(protocol: str, ports: list[str]) -> str:
    if protocol not in ("tcp", "udp"):
        return "" if protocol == "all" else f"ip protocol {protocol}"
    return f"{protocol} dport {{ {', '.join(ports)} }}" if ports else f"ip protocol {protocol}"


def rule_lines(address: str, rules: list[dict[str, Any]], instance: dict[str, Any]) -> list[str]:
    """The rules that apply to the instance, in order, for its external address."""
    lines = []
    for rule in netrules.in_order(rules, instance):
        ranges = netrules.sources(rule)
        if not ranges:
            continue
        source = "" if "0.0.0.0/0" in ranges else f"ip saddr {{ {', '.join(ranges)} }} "
        for protocol, ports in netrules.openings(rule):
            lines.append(f"ip daddr {address} {source}{ports_text(protocol, ports)} "
                         f"{ACTIONS[bool(rule.get('allowed'))]}")
    return lines


def ruleset(table: str, block: str, inside: dict[str, str], checks: list[str]) -> str:
    """The whole table anew. inside: external address → internal one."""
    there = ", ".join(f"{e} : {i}" for e, i in inside.items())
    back = ", ".join(f"{i} : {e}" for e, i in inside.items())
    dnat = f"dnat to ip daddr map {{ {there} }}" if inside else ""
    snat = f"ct original ip daddr {block} snat to ip saddr map {{ {back} }}" if inside else ""
    body = "\n    ".join(["ct state established,related accept", *checks, "drop"])
    return f"""
add table ip {table}
delete table ip {table}
table ip {table} {{
  chain check {{
    {body}
  }}
  chain from_machines {{
    type filter hook prerouting priority -150; policy accept;
    ip daddr {block} jump check
  }}
  chain from_host {{
    type filter hook output priority -150; policy accept;
    icmp type redirect drop
    ip daddr {block} jump check
  }}
  chain to_inside {{
    type nat hook prerouting priority -100; policy accept;
    {dnat}
  }}
  chain to_inside_from_host {{
    type nat hook output priority -100; policy accept;
    {dnat}
  }}
  chain from_inside {{
    type nat hook postrouting priority 90; policy accept;
    {snat}
  }}
}}
"""


class External:
    """The external addresses of one emulator."""

    def __init__(self, prefix: str) -> None:
        self.table = f"gcesim_{re.sub(r'[^a-z0-9]', '_', prefix.lower())}_{os.getpid()}"
        self.block = ""
        self.bridge = ""
        self.inside: dict[str, str] = {}
        self.instances: dict[str, Instance] = {}
        self.rules: dict[str, list[dict[str, Any]]] = {}  # by project
        self._lock = asyncio.Lock()

    async def open(self, bridge: str) -> None:
        """Takes a block that no other emulator's table has."""
        self.bridge = bridge
        tables = await tool("nft", "list", "tables")
        for table, pid in re.findall(r"table ip (gcesim_\w+_(\d+))", tables):
            if not os.path.exists(f"/proc/{pid}"):  # its emulator was killed
                await tool("nft", "delete", "table", "ip", table)
        known = await tool("nft", "list", "ruleset")
        for net in NET.subnets(new_prefix=27):
            if str(net) not in known:
                self.block = str(net)
                break
        else:
            raise BackendError(f"every block of {NET} is in use: nft list tables")
        await tool("ip", "route", "replace", self.block, "dev", bridge)
        await self.apply()

    async def close(self) -> None:
        try:
            await tool("nft", "delete", "table", "ip", self.table)
        except BackendError:
            pass  # there is none
        if self.block:
            try:
                await tool("ip", "route", "del", self.block, "dev", self.bridge)
            except BackendError:
                pass
            self.block = ""

    async def apply(self) -> None:
        async with self._lock:
            checks = [line for address, instance in self.instances.items() for line in rule_lines(
                address, self.rules.get(instance.project, []), instance.resource)]
            await tool("nft", "-f", "-",
                       text=ruleset(self.table, self.block, self.inside, checks))

    async def take(self, internal: str, instance: Instance) -> str:
        for address in ipaddress.ip_network(self.block).hosts():
            if str(address) not in self.inside:
                self.inside[str(address)] = internal
                self.instances[str(address)] = instance
                await self.apply()
                return str(address)
        raise BackendError(f"all external addresses of {self.block} are taken")

    async def release(self, address: str) -> None:
        if self.inside.pop(address, None):
            self.instances.pop(address, None)
            await self.apply()

    async def set_rules(self, project: str, rules: list[dict[str, Any]]) -> None:
        self.rules[project] = rules
        if self.block:
            await self.apply()
