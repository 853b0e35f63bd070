# SPDX-License-Identifier: Apache-2.0
"""What was asked, and what came of it: the record that tests read. No tokens are kept."""
from __future__ import annotations

import json
import re
import time
from typing import Any, TextIO
from urllib.parse import parse_qsl, urlsplit

KEEP = 200000
SECRET = re.compile(r"assertion|refresh_token|client_secret|subject_token$|access_?token", re.I)


def _hide(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: "(hidden)" if SECRET.search(key) else _hide(entry)
                for key, entry in value.items()}
    return [_hide(entry) for entry in value] if isinstance(value, list) else value


class RequestLog:
    def __init__(self, path: str | None = None) -> None:
        self.entries: list[dict[str, Any]] = []
        self._number = 0
        self._file: TextIO | None = open(path, "a", encoding="utf-8") if path else None

    def begin(self, method: str, target: str, headers: dict[str, str], body: bytes,
              part: bool) -> dict[str, Any]:
        self._number += 1
        parts = urlsplit(target)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        entry: dict[str, Any] = {
            "n": self._number, "time": round(time.time(), 3), "method": method,
            "path": parts.path, "query": query, "requestId": query.get("requestId"),
            "batchPart": part, "userAgent": headers.get("user-agent", ""),
            "quotaProject": headers.get("x-goog-user-project")}
        if body:
            try:
                entry["body"] = _hide(json.loads(body))
            except ValueError:
                form = dict(parse_qsl(body.decode(errors="replace")))
                entry["body"] = _hide(form) if form and not part else f"({len(body)} bytes)"
        self.entries.append(entry)
        if len(self.entries) > KEEP:
            del self.entries[: KEEP // 10]
        return entry

    def end(self, entry: dict[str, Any], status: int, **more: Any) -> None:
        entry["status"] = status
        entry["ms"] = round((time.time() - entry["time"]) * 1000)
        entry.update({key: value for key, value in more.items() if value is not None})
        if self._file is not None:
            self._file.write(json.dumps(entry) + "\n")
            self._file.flush()

    def find(self, method: str = "", path: str = "", since: int = 0) -> list[dict[str, Any]]:
        return [entry for entry in self.entries if entry["n"] > since
                and (not method or entry["method"] == method)
                and (not path or re.search(path, entry["path"]))]

    def clear(self) -> None:
        self.entries.clear()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
