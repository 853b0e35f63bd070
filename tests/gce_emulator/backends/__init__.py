# SPDX-License-Identifier: Apache-2.0
"""What stands behind an instance: nothing, an SSH server, a machine."""
from __future__ import annotations

import importlib

from .base import Backend

NAMES = ("none", "sshd", "lxd")


def load(name: str, option: str | None) -> Backend:
    """The backend of that name: class `Implementation` of the module of the same name."""
    if name not in NAMES:
        raise ValueError(f"no backend {name!r}; there are {', '.join(NAMES)}")
    module = importlib.import_module(f".{name}", __package__)
    backend: Backend = module.Implementation(option)
    return backend
