# SPDX-License-Identifier: Apache-2.0
"""Names, numbers, fingerprints, times and scopes as the API writes them."""
from __future__ import annotations

import base64
import datetime
import hashlib
import json
import random
from typing import Any, NamedTuple

# What links in answers begin with; the real API says www.googleapis.com whatever was asked.
BASE = "https://www.googleapis.com/compute/v1/"


class Scope(NamedTuple):
    project: str
    kind: str  # "global", "regions", "zones"
    name: str = ""

    @property
    def path(self) -> str:
        where = "global" if self.kind == "global" else f"{self.kind}/{self.name}"
        return f"projects/{self.project}/{where}"

    @property
    def short(self) -> str:
        return "global" if self.kind == "global" else f"{self.kind}/{self.name}"


class Ids:
    """Numbers of resources: 19 digits, never twice."""

    def __init__(self) -> None:
        self._next = random.SystemRandom().randrange(10**18, 4 * 10**18)

    def number(self) -> str:
        self._next += random.randrange(1, 10**9)
        return str(self._next)


def timestamp(moment: datetime.datetime | None = None) -> str:
    moment = moment or datetime.datetime.now(datetime.timezone.utc)
    return moment.isoformat(timespec="milliseconds")


def fingerprint(value: Any) -> str:
    if not value:
        return "42WmSpB8rSM="  # what the real API gives to empty labels and tags
    digest = hashlib.sha256(json.dumps(value, sort_keys=True).encode()).digest()
    return base64.b64encode(digest[:8]).decode()


def last(url: object) -> str:
    """The name at the end of a full or partial URL."""
    return str(url).rstrip("/").rsplit("/", 1)[-1]


def relative(url: str) -> str:
    """A full, partial or short URL below /compute/v1/."""
    for mark in ("/compute/v1/", "/compute/beta/"):
        if mark in url:
            return url.split(mark, 1)[1]
    return url.lstrip("/")


def between(url: str, before: str) -> str | None:
    """The segment after `before`: between(".../zones/Z/disks/D", "zones") is Z."""
    parts = relative(url).split("/")
    for name, value in zip(parts, parts[1:]):
        if name == before:
            return value
    return None
