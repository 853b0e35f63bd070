# SPDX-License-Identifier: Apache-2.0
"""The resources of the API, a file for each kind."""
from __future__ import annotations

from ..call import Route
from . import (bulk, changes, disks, firewalls, guest_reads, images, instances, networks,
               operations, places, projects, types)


def routes() -> list[Route]:
    modules = (projects, places, types, images, instances, bulk, changes, guest_reads, disks,
               firewalls, networks, operations)
    return [route for module in modules for route in module.ROUTES]
