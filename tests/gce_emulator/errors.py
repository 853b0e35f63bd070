# SPDX-License-Identifier: Apache-2.0
"""Both shapes of the API's errors: of a request, and of an operation that failed."""
from __future__ import annotations

from typing import Any

STATUS = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED",
          404: "NOT_FOUND", 409: "ALREADY_EXISTS", 412: "FAILED_PRECONDITION",
          429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE"}
DOMAIN = {"rateLimitExceeded": "usageLimits", "quotaExceeded": "usageLimits",
          "accessNotConfigured": "usageLimits"}


class ApiError(Exception):
    """Answered at once, with an HTTP status of 400 and above."""

    def __init__(self, status: int, reason: str, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status, self.reason, self.message = status, reason, message
        self.details: list[dict[str, Any]] = more.pop("details", [])
        self.retry_after: str | None = more.pop("retry_after", None)
        self.more: dict[str, Any] = more  # location, locationType

    def body(self) -> dict[str, Any]:
        entry = {"message": self.message, "domain": DOMAIN.get(self.reason, "global"),
                 "reason": self.reason, **self.more}
        error: dict[str, Any] = {"code": self.status, "message": self.message, "errors": [entry]}
        # As recorded: the canonical status stands only beside details and on 401.
        if self.details or self.status == 401:
            error["status"] = STATUS.get(self.status, "UNKNOWN")
        if self.details:
            error["details"] = self.details
        return {"error": error}


class OperationError(Exception):
    """The operation ends DONE with this error."""

    def __init__(self, code: str, message: str, status: int = 400, phrase: str = "BAD REQUEST",
                 details: list[dict[str, Any]] | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.status, self.phrase = code, message, status, phrase
        self.details = details

    def apply(self, operation: dict[str, Any]) -> None:
        entry: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.details:
            entry["errorDetails"] = self.details
        operation["error"] = {"errors": [entry]}
        operation["httpErrorStatusCode"] = self.status
        operation["httpErrorMessage"] = self.phrase


def not_found(what: str) -> ApiError:
    return ApiError(404, "notFound", f"The resource '{what}' was not found")


def exists(what: str) -> ApiError:
    return ApiError(409, "alreadyExists", f"The resource '{what}' already exists")


def invalid(field: str, value: object, text: str) -> ApiError:
    return ApiError(400, "invalid", f"Invalid value for field '{field}': '{value}'. {text}")


def fingerprint_conflict(what: str) -> ApiError:
    return ApiError(412, "conditionNotMet",
                    f"Supplied fingerprint does not match current {what} fingerprint.",
                    location="If-Match", locationType="header")


def error_info(reason: str, domain: str, **metadata: str) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason,
            "domain": domain, "metadata": metadata}
