# SPDX-License-Identifier: Apache-2.0
"""firewalls: insert, get, list, patch, update, delete. They carry no labels."""
from __future__ import annotations

import ipaddress

from .. import paging
from ..call import Call, Json, Route
from ..errors import exists, invalid, not_found
from ..ids import BASE, last, timestamp
from ..operations import Start
from .instance_body import NAME

ALL = "projects/{project}/global/firewalls"
ONE = ALL + "/{name}"
KEYS = ("description", "priority", "sourceRanges", "destinationRanges", "sourceTags", "targetTags",
        "sourceServiceAccounts", "targetServiceAccounts", "allowed", "denied", "direction",
        "disabled", "logConfig")


def _check(call: Call, body: Json) -> None:
    if not NAME.fullmatch(str(body.get("name", ""))):
        raise invalid("resource.name", body.get("name", ""), "Must be a match of regex "
                      "'(?:[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?)'")
    if bool(body.get("allowed")) == bool(body.get("denied")):
        raise invalid("resource.allowed", "", "Exactly one of allowed and denied must be given.")
    for number, source in enumerate(body.get("sourceRanges", [])):
        try:
            ipaddress.ip_network(source)
        except ValueError:
            raise invalid(f"resource.sourceRanges[{number}]", source,
                          "Must be a valid CIDR range.") from None
    if not 0 <= body.get("priority", 1000) <= 65535:
        raise invalid("resource.priority", body["priority"], "Must be between 0 and 65535.")
    network = last(body.get("network", "default"))
    if network not in call.project.networks:
        raise not_found(f"projects/{call.project.name}/global/networks/{network}")


def _find(call: Call) -> Json:
    found = call.project.firewalls.get(call.params["name"])
    if found is None:
        raise not_found(f"projects/{call.project.name}/global/firewalls/{call.params['name']}")
    return found


def _path(call: Call, name: str) -> str:
    return f"projects/{call.project.name}/global/firewalls/{name}"


def insert(call: Call) -> Json:
    body = call.object()
    _check(call, body)
    name, project = body["name"], call.project
    if name in project.firewalls:
        raise exists(_path(call, name))
    made: Json = {"kind": "compute#firewall", "id": call.world.ids.number(), "name": name,
                  "creationTimestamp": timestamp(), "description": "", "priority": 1000,
                  "direction": "INGRESS", "disabled": False, "logConfig": {"enable": False},
                  "network": project.networks[last(body.get("network", "default"))]["selfLink"],
                  "selfLink": BASE + _path(call, name)}
    made.update({key: body[key] for key in KEYS if key in body})
    if made["direction"] == "INGRESS" and not any(
            key in made for key in ("sourceRanges", "sourceTags", "sourceServiceAccounts")):
        made["sourceRanges"] = ["0.0.0.0/0"]
    project.firewalls[name] = made

    async def undo() -> None:
        project.firewalls.pop(name, None)

    return call.start(Start(call.scope, "insert", _path(call, name), made["id"], undo=undo))


def listing(call: Call) -> Json:
    items = [rule for _, rule in sorted(call.project.firewalls.items())]
    return paging.page("firewallList", call.path, items, call.query, call.world.settings.page_max)


def change(call: Call) -> Json:
    rule, body = _find(call), call.object()
    merged = {**(rule if call.method == "PATCH" else {"name": rule["name"]}), **body}
    _check(call, merged)
    if call.method == "PUT":
        for key in KEYS:
            if key in rule and key not in body and key not in ("priority", "direction", "disabled",
                                                              "description", "logConfig"):
                del rule[key]
    rule.update({key: body[key] for key in KEYS if key in body})
    kind = "patch" if call.method == "PATCH" else "update"
    return call.start(Start(call.scope, kind, _path(call, rule["name"]), rule["id"]))


def delete(call: Call) -> Json:
    rule = _find(call)

    async def work() -> None:
        call.project.firewalls.pop(rule["name"], None)

    return call.start(Start(call.scope, "delete", _path(call, rule["name"]), rule["id"], work))


ROUTES = [
    Route("POST", ALL, insert, "compute.firewalls.create"),
    Route("GET", ALL, listing, "compute.firewalls.list"),
    Route("GET", ONE, _find, "compute.firewalls.get"),
    Route("PATCH", ONE, change, "compute.firewalls.update"),
    Route("PUT", ONE, change, "compute.firewalls.update"),
    Route("DELETE", ONE, delete, "compute.firewalls.delete"),
]
