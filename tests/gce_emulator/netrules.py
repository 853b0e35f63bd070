# SPDX-License-Identifier: Apache-2.0
"""What firewall rules let in: pure functions over the resources as the API holds them."""
from __future__ import annotations

import ipaddress
from typing import Any

IAP_RANGE = "35.235.240.0/20"
PROTOCOLS = {"tcp": "tcp", "6": "tcp", "udp": "udp", "17": "udp", "icmp": "icmp", "1": "icmp"}


def tail(url: str) -> str:
    """The last part of a URL or name."""
    return (url or "").rstrip("/").rsplit("/", 1)[-1]


def applies(rule: dict[str, Any], instance: dict[str, Any]) -> bool:
    """The rule is on the network of the instance, and targets it."""
    nics = instance.get("networkInterfaces") or [{}]
    networks = {tail(nic.get("network", "default")) for nic in nics}
    if rule.get("disabled") or rule.get("direction", "INGRESS") != "INGRESS":
        return False
    if tail(rule.get("network", "default")) not in networks:
        return False
    targets = rule.get("targetTags")
    return not targets or bool(set(targets) & set((instance.get("tags") or {}).get("items") or []))


def sources(rule: dict[str, Any]) -> list[str]:
    """IPv4 ranges; those by tag are for the inside of the network and left out."""
    if rule.get("sourceRanges"):
        return [r for r in rule["sourceRanges"] if ":" not in r]
    return [] if rule.get("sourceTags") or rule.get("sourceServiceAccounts") else ["0.0.0.0/0"]


def openings(rule: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """[(protocol, ports as "22" or "80-90"; none: all)]; protocol "all" for any."""
    entries = [(str(a.get("IPProtocol")), a.get("ports") or [])
               for a in rule.get("allowed") or rule.get("denied") or []]
    return [(PROTOCOLS.get(protocol, protocol), ports) for protocol, ports in entries]


def in_order(rules: list[dict[str, Any]], instance: dict[str, Any]) -> list[dict[str, Any]]:
    """Those that apply, as they are looked at: by priority, among equals the refusals first."""
    return sorted((r for r in rules if applies(r, instance)),
                  key=lambda r: (int(r.get("priority", 1000)), 0 if r.get("denied") else 1))


def covers(ports: list[str], port: int) -> bool:
    for text in ports:
        low, _, high = str(text).partition("-")
        if int(low) <= port <= int(high or low):
            return True
    return not ports


def lets_in(rules: list[dict[str, Any]], instance: dict[str, Any], protocol: str, port: int,
            source: str) -> bool:
    """Whether a connection from `source` (address or range) gets in; closed by default."""
    wanted = ipaddress.ip_network(source, strict=False)
    for rule in in_order(rules, instance):
        if not any(wanted.subnet_of(ipaddress.ip_network(s, strict=False)) for s in sources(rule)):
            continue
        if any(p in (protocol, "all") and covers(ports, port) for p, ports in openings(rule)):
            return bool(rule.get("allowed"))
    return False
