# SPDX-License-Identifier: Apache-2.0
"""What the API shows of the inside: guest attributes and the serial console."""
from __future__ import annotations

from ..call import Call, Json, Route
from ..errors import ApiError, invalid
from ..ids import BASE
from .instances import ONE, find

RING = 1 << 20  # bytes of the console that are kept


def _attributes_on(metadata: dict[str, str], project: dict[str, str]) -> bool:
    value = metadata.get("enable-guest-attributes", project.get("enable-guest-attributes", ""))
    return value.lower() in ("true", "1", "yes", "y")


async def guest_attributes(call: Call) -> Json:
    instance = find(call)
    wanted = call.query.get("queryPath") or call.query.get("variableKey") or ""
    found: dict[str, str] = {}
    if _attributes_on(instance.metadata(), instance.project_metadata()):
        found = await call.world.backend.guest_attributes(instance)
    items = [{"namespace": path.partition("/")[0], "key": path.partition("/")[2], "value": value}
             for path, value in sorted(found.items())
             if not wanted or path == wanted or path.startswith(wanted.rstrip("/") + "/")]
    if not items:
        raise ApiError(404, "notFound", f"The resource '{wanted}' of type 'Guest Attribute' was "
                       "not found.")
    return {"kind": "compute#guestAttributes", "queryPath": wanted,
            "selfLink": BASE + call.path, "queryValue": {"items": items}}


async def serial_port(call: Call) -> Json:
    instance = find(call)
    try:
        start, port = int(call.query.get("start", "0")), int(call.query.get("port", "1"))
    except ValueError:
        raise invalid("start", call.query.get("start"), "Not a number.") from None
    text = (await call.world.backend.serial(instance)).encode() if port == 1 else b""
    first = max(0, len(text) - RING)
    start = len(text) + start if start < 0 else start
    start = min(max(start, first), len(text))
    return {"kind": "compute#serialPortOutput", "selfLink": BASE + call.path,
            "contents": text[start:].decode(errors="replace"), "start": str(start),
            "next": str(len(text))}


ROUTES = [
    Route("GET", ONE + "/getGuestAttributes", guest_attributes,
          "compute.instances.getGuestAttributes"),
    Route("GET", ONE + "/serialPort", serial_port, "compute.instances.getSerialPortOutput"),
]
