# SPDX-License-Identifier: Apache-2.0
"""Lists: filter, maxResults, pageToken."""
from __future__ import annotations

import base64
import binascii
from typing import Any, TypeVar

from .errors import ApiError, invalid
from .filters import FilterError, compile_filter
from .ids import BASE

Item = dict[str, Any]
T = TypeVar("T")


def _token(query: dict[str, str]) -> int:
    text = query.get("pageToken", "")
    if not text:
        return 0
    try:
        return int(base64.urlsafe_b64decode(text.encode()).decode().removeprefix("page:"))
    except (ValueError, binascii.Error):
        raise invalid("pageToken", text, "Page token is invalid.") from None


def _cut(rows: list[T], query: dict[str, str], page_max: int) -> tuple[list[T], str | None]:
    try:
        wanted = int(query.get("maxResults", "500"))
    except ValueError:
        raise invalid("maxResults", query["maxResults"], "Not a number.") from None
    if not 0 <= wanted <= 500:
        raise invalid("maxResults", wanted, "Must be between 0 and 500.")
    start, size = _token(query), max(1, min(wanted or 500, page_max))
    rest = start + size < len(rows)
    token = base64.urlsafe_b64encode(f"page:{start + size}".encode()).decode() if rest else None
    return rows[start : start + size], token


def keep(query: dict[str, str], items: list[Item]) -> list[Item]:
    try:
        test = compile_filter(query.get("filter", ""))
    except FilterError as error:
        raise ApiError(400, "invalid", "Invalid value for field 'filter': "
                       f"'{query.get('filter')}'. Invalid list filter expression. ({error})"
                       ) from None
    return [item for item in items if test(item)]


def page(kind: str, path: str, items: list[Item], query: dict[str, str], page_max: int) -> Item:
    """A List answer; path is its own, below /compute/v1/."""
    rows, token = _cut(keep(query, items), query, page_max)
    answer: Item = {"kind": f"compute#{kind}", "id": path, "selfLink": BASE + path}
    if rows:
        answer["items"] = rows
    if token:
        answer["nextPageToken"] = token
    return answer


def aggregated(kind: str, name: str, path: str, scopes: dict[str, list[Item]],
               query: dict[str, str], page_max: int, unreachable: frozenset[str]) -> Item:
    """An AggregatedList answer: name is the key of the items ("instances")."""
    flat = [(scope, item) for scope, items in scopes.items() if scope not in unreachable
            for item in keep(query, items)]
    rows, token = _cut(flat, query, page_max)
    answer: Item = {"kind": f"compute#{kind}", "id": path, "selfLink": BASE + path}
    found: dict[str, Item] = {}
    for scope, item in rows:
        found.setdefault(scope, {name: []})[name].append(item)
    for scope in scopes:
        if scope in unreachable:
            found[scope] = {"warning": _warning("UNREACHABLE", f"Scope {scope} was unreachable.",
                                                scope)}
        elif scope not in found:
            found[scope] = {"warning": _warning(
                "NO_RESULTS_ON_PAGE", f"There are no results for scope '{scope}' on this page.",
                scope)}
    answer["items"] = found
    if unreachable & set(scopes):
        answer["unreachables"] = sorted(unreachable & set(scopes))
    if token:
        answer["nextPageToken"] = token
    return answer


def _warning(code: str, message: str, scope: str) -> Item:
    return {"code": code, "message": message, "data": [{"key": "scope", "value": scope}]}
