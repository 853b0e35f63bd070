# SPDX-License-Identifier: Apache-2.0
"""What a test may turn, at the start or through /_emulator/settings."""
from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any


@dataclass
class Settings:
    latency_ms: int = 100  # of every operation
    wait_limit: float = 120.0  # seconds until operations.wait returns although not DONE
    list_lag_ms: int = 0  # how long an instance is in no list after it was asked for
    page_max: int = 500  # items of a page at most, whatever maxResults says
    token_lifetime: int = 3599
    strict_tokens: bool = False  # only tokens given out here are good
    rate_per_minute: int = 0  # API requests of one project; 0: no limit
    bulk_rollback_ms: int = 0  # how long ROLLING_BACK lasts, besides
    api_disabled: bool = False
    denied_permissions: list[str] = field(default_factory=list)
    unreachable_zones: list[str] = field(default_factory=list)
    closed_zones: list[str] = field(default_factory=list)  # not open to the project
    on_metadata_server: bool = True

    def update(self, values: dict[str, Any]) -> None:
        known = {entry.name: type(getattr(self, entry.name)) for entry in fields(self)}
        for name, value in values.items():
            if name not in known:
                raise ValueError(f"no setting {name!r}")
            kind = known[name]
            if kind is float and isinstance(value, int):
                value = float(value)
            if not isinstance(value, kind):
                raise ValueError(f"{name} must be {kind.__name__}")
            setattr(self, name, value)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)
