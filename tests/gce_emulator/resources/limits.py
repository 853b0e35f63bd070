# SPDX-License-Identifier: Apache-2.0
"""Limits of labels, metadata and scheduling."""
from __future__ import annotations

import re

from ..call import Json
from ..errors import ApiError, invalid

LABEL_KEY = re.compile(r"[a-z][-_a-z0-9]{0,62}")
LABEL_VALUE = re.compile(r"[-_a-z0-9]{0,63}")
METADATA_KEY = re.compile(r"[a-zA-Z0-9_-]{1,127}")


def labels(field: str, given: Json) -> None:
    if len(given) > 64:
        raise invalid(field, len(given), "The number of labels must not exceed 64.")
    for key, value in given.items():
        if not LABEL_KEY.fullmatch(key):
            raise invalid(field, key, "Label key is not valid: lower case letters, digits, _ "
                          "and -, at most 63, beginning with a letter.")
        if not LABEL_VALUE.fullmatch(value):
            raise invalid(field, value, f"Label value of '{key}' violates format constraints: "
                          "lower case letters, digits, _ and -, at most 63.")


def metadata(given: Json) -> None:
    seen: set[str] = set()
    total = 0
    for number, item in enumerate(given.get("items", [])):
        key, value = item.get("key", ""), item.get("value", "")
        field = f"resource.metadata.items[{number}]"
        if not METADATA_KEY.fullmatch(key):
            raise invalid(f"{field}.key", key, "Must be a match of regex '[a-zA-Z0-9-_]{1,128}'")
        if key in seen:
            raise invalid("metadata", key, f"Duplicate metadata key: {key}.")
        if len(value.encode()) > 256 << 10:
            raise invalid(f"{field}.value", value[:40], "Metadata value exceeds 262144 bytes.")
        seen.add(key)
        total += len(key) + len(value.encode())
    if total > 512 << 10:
        raise ApiError(400, "invalid", "Metadata exceeds 524288 bytes in all.")


def run_duration(given: Json) -> None:
    if "maxRunDuration" not in given:
        return
    seconds = int(given["maxRunDuration"].get("seconds", "0"))
    if not 30 <= seconds <= 120 * 86400:
        raise invalid("resource.scheduling.maxRunDuration", seconds,
                      "Must be between 30 seconds and 120 days.")
    if given.get("instanceTerminationAction") not in ("STOP", "DELETE"):
        raise ApiError(400, "badRequest", "Instance termination action must be specified with "
                       "max run duration.")


def scheduling(given: Json) -> Json:
    """With the defaults filled in."""
    spot = given.get("provisioningModel") == "SPOT" or bool(given.get("preemptible"))
    made = {"automaticRestart": not spot, "preemptible": spot,
            "onHostMaintenance": "TERMINATE" if spot else "MIGRATE",
            "provisioningModel": "SPOT" if spot else "STANDARD", **given}
    if spot:
        made["preemptible"] = True
        made.setdefault("instanceTerminationAction", "STOP")
    return made
