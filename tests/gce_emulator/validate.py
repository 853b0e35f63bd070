# SPDX-License-Identifier: Apache-2.0
"""Requests and answers against Google's published description of the API (a discovery document)."""
from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

STANDARD = {"alt", "fields", "key", "prettyPrint", "quotaUser", "userIp", "access_token", "oauth_token",
            "callback", "uploadType", "upload_protocol", "$.xgafv"}


class Validator:
    def __init__(self, path: Path) -> None:
        document = json.loads(path.read_text())
        self._schemas: dict[str, Any] = document["schemas"]
        self._base = "/" + document["servicePath"]
        self._methods: list[tuple[str, re.Pattern[str], dict[str, Any]]] = []
        self._collect(document)

    def _collect(self, part: dict[str, Any]) -> None:
        for method in part.get("methods", {}).values():
            template = method.get("flatPath", method["path"])
            pattern = re.sub(r"\{\+?(\w+)\}", r"(?P<\1>[^/]+)", self._base + template)
            self._methods.append((method["httpMethod"], re.compile(pattern), method))
        for resource in part.get("resources", {}).values():
            self._collect(resource)

    def _find(self, method: str, path: str) -> tuple[dict[str, Any], dict[str, str]] | None:
        """The most literal one: images/family/F is no image of the name `family`."""
        found = [(described, match.groupdict()) for verb, pattern, described in self._methods
                 if verb == method and (match := pattern.fullmatch(path))]
        return min(found, key=lambda pair: len(pair[1]), default=None)

    def request(self, method: str, path: str, query: dict[str, str], body: Any) -> list[str]:
        found = self._find(method, path)
        if found is None:
            return [f"no method {method} {path}"]
        described, params = found
        wrong: list[str] = []
        known = described.get("parameters", {})
        for name, value in {**params, **query}.items():
            if name in known:
                _parameter(name, value, known[name], wrong)
            elif name not in STANDARD:
                wrong.append(f"unknown parameter {name}")
        wrong += [f"missing parameter {name}" for name, entry in known.items()
                  if entry.get("required") and name not in {**params, **query}]
        if "request" in described:
            if body is None:
                wrong.append("a body is needed")
            else:
                self._value(body, {"$ref": described["request"]["$ref"]}, "body", wrong)
        elif body not in (None, {}):
            wrong.append("a body where none is described")
        return wrong

    def answer(self, method: str, path: str, body: Any) -> list[str]:
        found = self._find(method, path)
        if found is None or "response" not in found[0]:
            return [] if found else [f"no method {method} {path}"]
        wrong: list[str] = []
        self._value(body, {"$ref": found[0]["response"]["$ref"]}, "answer", wrong)
        return wrong

    def _value(self, value: Any, schema: dict[str, Any], where: str, wrong: list[str]) -> None:
        if "$ref" in schema:
            schema = self._schemas[schema["$ref"]]
        kind = schema.get("type", "any")
        if kind == "object":
            self._object(value, schema, where, wrong)
        elif kind == "array":
            if not isinstance(value, list):
                wrong.append(f"{where}: not an array")
                return
            for number, entry in enumerate(value):
                self._value(entry, schema["items"], f"{where}[{number}]", wrong)
        elif kind != "any":
            _scalar(value, schema, where, wrong)

    def _object(self, value: Any, schema: dict[str, Any], where: str, wrong: list[str]) -> None:
        if not isinstance(value, dict):
            wrong.append(f"{where}: not an object")
            return
        properties = schema.get("properties", {})
        more = schema.get("additionalProperties")
        for name, entry in value.items():
            inner = properties.get(name, more)
            if inner is None:
                wrong.append(f"{where}: unknown field {name}")
            else:
                self._value(entry, inner, f"{where}.{name}", wrong)


def _parameter(name: str, value: str, schema: dict[str, Any], wrong: list[str]) -> None:
    kind = schema.get("type")
    if kind == "integer" and not re.fullmatch(r"-?\d+", value):
        wrong.append(f"parameter {name}: {value!r} is no integer")
    elif kind == "boolean" and value.lower() not in ("true", "false"):
        wrong.append(f"parameter {name}: {value!r} is no boolean")
    if "pattern" in schema and not re.fullmatch(schema["pattern"], value):
        wrong.append(f"parameter {name}: {value!r} does not match {schema['pattern']}")
    if "enum" in schema and value not in schema["enum"]:
        wrong.append(f"parameter {name}: {value!r} is not one of {schema['enum']}")


def _scalar(value: Any, schema: dict[str, Any], where: str, wrong: list[str]) -> None:
    kind, form = schema["type"], schema.get("format")
    good = {"string": isinstance(value, str), "boolean": isinstance(value, bool),
            "integer": isinstance(value, int) and not isinstance(value, bool),
            "number": isinstance(value, (int, float)) and not isinstance(value, bool)}[kind]
    if not good:
        wrong.append(f"{where}: {value!r} is not of type {kind}")
        return
    if kind == "string" and form in ("int64", "uint64") and not re.fullmatch(r"-?\d+", value):
        wrong.append(f"{where}: {value!r} is no {form}")
    if form == "byte" and not re.fullmatch(r"[A-Za-z0-9+/_-]*={0,2}", value):
        wrong.append(f"{where}: {value!r} is not base64")
    if form == "int32" and not -(2**31) <= value < 2**31:
        wrong.append(f"{where}: {value!r} is no int32")
    if "enum" in schema and value not in schema["enum"]:
        wrong.append(f"{where}: {value!r} is not one of the values described")
    if "pattern" in schema and not re.fullmatch(schema["pattern"], value):
        wrong.append(f"{where}: {value!r} does not match {schema['pattern']}")
