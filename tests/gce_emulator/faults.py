# SPDX-License-Identifier: Apache-2.0
"""Faults on request: which request or operation, the how-manieth, and what happens to it.

A rule is JSON: {"method": "POST", "path": REGEX, "body": REGEX, "nth": 1 | [1,3] | "every",
"times": N, "action": {…}} or, for operations, {"operation": "insert", "target": REGEX, …}.
Actions: {"kind": "status", "status": 503, "reason": "backendError", "message": …,
"retry_after": "2", "details": […], "raw": {…}}; "truncate" (at), "hang" (seconds), "slow"
(seconds, then the normal answer), "reset_before", "reset_after", "drop_answer" (effect, then
hang), "invalid_json", "huge" (bytes), "operation_error" (code, message, status, details),
"latency" (seconds)."""
from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from .errors import ApiError, OperationError
from .httpd import Response
from .ids import relative

REQUEST_KINDS = {"status", "truncate", "hang", "slow", "reset_before", "reset_after",
                 "drop_answer", "invalid_json", "huge"}
OPERATION_KINDS = {"operation_error", "latency"}
REASONS = {400: "badRequest", 401: "authError", 403: "forbidden", 404: "notFound",
           409: "alreadyExists", 412: "conditionNotMet", 429: "rateLimitExceeded",
           500: "backendError", 502: "badGateway", 503: "backendError", 504: "gatewayTimeout"}


class FaultError(ValueError):
    pass


@dataclass
class OperationFault:
    error: OperationError | None = None
    latency: float | None = None


@dataclass
class Rule:
    action: dict[str, Any]
    method: str = ".*"
    path: str = ".*"
    body: str = ".*"
    operation: str | None = None
    target: str = ".*"
    nth: Any = "every"
    times: int | None = None
    seen: int = 0
    fired: int = 0
    source: dict[str, Any] = field(default_factory=dict)

    def due(self) -> bool:
        """Counts one match; tells whether this one is to fail."""
        self.seen += 1
        if self.times is not None and self.fired >= self.times:
            return False
        wanted = self.nth if isinstance(self.nth, list) else [self.nth]
        if self.nth != "every" and self.seen not in wanted:
            return False
        self.fired += 1
        return True


def parse(source: dict[str, Any]) -> Rule:
    known = {"action", "method", "path", "body", "operation", "target", "nth", "times"}
    if not isinstance(source, dict) or set(source) - known or "action" not in source:
        raise FaultError(f"a rule has the keys {sorted(known)}, and needs an action")
    rule = Rule(**source, source=source)
    kind = rule.action.get("kind")
    if kind not in (OPERATION_KINDS if rule.operation else REQUEST_KINDS):
        raise FaultError(f"no action {kind!r} for {'operations' if rule.operation else 'requests'}")
    for pattern in (rule.method, rule.path, rule.body, rule.operation or "", rule.target):
        re.compile(pattern)
    return rule


class Faults:
    def __init__(self) -> None:
        self.rules: list[Rule] = []

    def add(self, source: Any) -> None:
        for one in source if isinstance(source, list) else [source]:
            self.rules.append(parse(one))

    def clear(self) -> None:
        self.rules = []

    def state(self) -> list[dict[str, Any]]:
        return [{**rule.source, "seen": rule.seen, "fired": rule.fired} for rule in self.rules]

    def for_request(self, method: str, target: str, body: bytes) -> dict[str, Any] | None:
        """The first rule that is due; all that match are counted."""
        found = None
        for rule in self.rules:
            if rule.operation is not None or not re.fullmatch(rule.method, method):
                continue
            if not any(re.search(rule.path, text) for text in (target, target.partition("?")[0])):
                continue
            if rule.body != ".*" and not re.search(rule.body, body.decode(errors="replace")):
                continue
            if rule.due() and found is None:
                found = rule.action
        return found

    def for_operation(self, resource: dict[str, Any]) -> OperationFault | None:
        found = None
        for rule in self.rules:
            if rule.operation is None or not re.fullmatch(rule.operation,
                                                          resource["operationType"]):
                continue
            if re.search(rule.target, relative(resource["targetLink"])) is None or not rule.due():
                continue
            found = found or _operation_fault(rule.action)
        return found


def _operation_fault(action: dict[str, Any]) -> OperationFault:
    if action["kind"] == "latency":
        return OperationFault(latency=float(action["seconds"]))
    code = action.get("code", "INTERNAL_ERROR")
    error = OperationError(code, action.get("message", f"SIMULATED: {code}"),
                           int(action.get("status", 503)),
                           action.get("phrase", "SERVICE UNAVAILABLE"), action.get("details"))
    latency = action.get("seconds")
    return OperationFault(error, None if latency is None else float(latency))


def before(action: dict[str, Any]) -> Response | None:
    """What is answered instead of doing anything; None: the request is carried out."""
    kind = action["kind"]
    if kind == "status":
        return _status(action)
    if kind == "hang":
        return Response(503, hang=float(action.get("seconds", 3600)), reset=True)
    if kind == "reset_before":
        return Response(reset=True)
    if kind == "invalid_json":
        return Response(200, b'{"kind": "compute#operation", "name": ',
                        {"Content-Type": "application/json"})
    if kind == "huge":
        size = int(action.get("bytes", 100 << 20))
        body = b'{"kind":"compute#huge","description":"' + b"x" * size + b'"}'
        return Response(200, body, {"Content-Type": "application/json"})
    return None


def after(action: dict[str, Any], response: Response) -> Response:
    """What becomes of the answer; the effect is there."""
    kind = action["kind"]
    if kind == "truncate":
        response.cut = int(action.get("at", len(response.body) // 2))
    elif kind == "reset_after":
        response.reset = True
    elif kind == "drop_answer":
        response.hang, response.reset = float(action.get("seconds", 3600)), True
    elif kind == "slow":
        response.hang = float(action.get("seconds", 1))
    return response


def _status(action: dict[str, Any]) -> Response:
    status = int(action.get("status", 503))
    headers = {}
    if "retry_after" in action:
        headers["Retry-After"] = str(action["retry_after"])
    if "raw" in action:
        raw = action["raw"]
        if isinstance(raw, str):
            return Response(status, raw.encode(), {"Content-Type": "text/html", **headers})
        return Response.of(raw, status, **headers)
    error = ApiError(status, action.get("reason", REASONS.get(status, "backendError")),
                     action.get("message", "SIMULATED: injected fault"),
                     details=action.get("details", []))
    return Response.of(error.body(), status, **headers)
