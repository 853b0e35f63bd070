# SPDX-License-Identifier: Apache-2.0
"""Requests and answers against Google's published description of the API (a discovery document)."""
from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

Schema = dict[str, Any]
DOCUMENTS = ("compute.v1", "cloudresourcemanager.v1", "cloudresourcemanager.v3",
             "serviceusage.v1", "iamcredentials.v1")
STANDARD = {"alt", "fields", "key", "prettyPrint", "quotaUser", "userIp", "access_token",
            "oauth_token", "callback", "uploadType", "upload_protocol", "$.xgafv",
            # On every aggregated list of gcloud 528; the document of 2026-11-06 names it nowhere.
            "returnPartialSuccess"}


class Method(NamedTuple):
    pattern: re.Pattern[str]
    described: dict[str, Any]
    schemas: dict[str, Any]


class Validator:
    """Knows the documents of a folder, of those named above."""

    def __init__(self, folder: Path) -> None:
        self._methods: dict[tuple[str, int], list[Method]] = {}
        for name in DOCUMENTS:
            path = folder / f"{name}.json"
            if path.exists():
                document = json.loads(path.read_text())
                self._collect("/" + document["servicePath"], document, document["schemas"])
        if not self._methods:
            raise FileNotFoundError(f"no API description in {folder}")

    def _collect(self, base: str, part: dict[str, Any], schemas: dict[str, Any]) -> None:
        for described in part.get("methods", {}).values():
            template = base + described.get("flatPath", described["path"])
            pattern = re.compile(re.sub(r"\{\+?(\w+)\}", r"(?P<\1>[^/]+)", template))
            key = (described["httpMethod"], template.count("/"))
            self._methods.setdefault(key, []).append(Method(pattern, described, schemas))
        for resource in part.get("resources", {}).values():
            self._collect(base, resource, schemas)

    def _find(self, verb: str, path: str) -> tuple[Method, dict[str, str]] | None:
        """The most literal one: images/family/F is no image of the name `family`."""
        found = [(method, match.groupdict())
                 for method in self._methods.get((verb, path.count("/")), [])
                 if (match := method.pattern.fullmatch(path))]
        return min(found, key=lambda pair: len(pair[1]), default=None)

    def request(self, method: str, path: str, query: dict[str, str], body: Any) -> list[str]:
        found = self._find(method, path)
        if found is None:
            return [f"no method {method} {path}"]
        (_, described, schemas), params = found
        wrong: list[str] = []
        known = described.get("parameters", {})
        for name, value in {**params, **query}.items():
            if name in known:
                _parameter(name, value, known[name], wrong)
            elif name in query and name not in STANDARD:
                wrong.append(f"unknown parameter {name}")
        wrong += [f"missing parameter {name}" for name, entry in known.items()
                  if entry.get("required") and entry["location"] == "query" and name not in query]
        if "request" in described:
            if body is None:
                wrong.append("a body is needed")
            else:
                _value(body, described["request"], schemas, "body", wrong)
        elif body not in (None, {}):
            wrong.append("a body where none is described")
        return wrong

    def answer(self, method: str, path: str, body: Any) -> list[str]:
        found = self._find(method, path)
        if found is None:
            return [f"no method {method} {path}"]
        wrong: list[str] = []
        if "response" in found[0].described:
            _value(body, found[0].described["response"], found[0].schemas, "answer", wrong)
        return wrong


def _value(value: Any, schema: Schema, schemas: Schema, where: str, wrong: list[str]) -> None:
    if "$ref" in schema:
        schema = schemas[schema["$ref"]]
    kind = schema.get("type", "any")
    if kind == "object":
        _object(value, schema, schemas, where, wrong)
    elif kind == "array":
        if not isinstance(value, list):
            wrong.append(f"{where}: not an array")
            return
        for number, entry in enumerate(value):
            _value(entry, schema["items"], schemas, f"{where}[{number}]", wrong)
    elif kind != "any":
        _scalar(value, schema, where, wrong)


def _object(value: Any, schema: Schema, schemas: Schema, where: str, wrong: list[str]) -> None:
    if not isinstance(value, dict):
        wrong.append(f"{where}: not an object")
        return
    properties, more = schema.get("properties", {}), schema.get("additionalProperties")
    for name, entry in value.items():
        inner = properties.get(name, more)
        if inner is None:
            wrong.append(f"{where}: unknown field {name}")
        else:
            _value(entry, inner, schemas, f"{where}.{name}", wrong)


def _parameter(name: str, value: str, schema: Schema, wrong: list[str]) -> None:
    kind = schema.get("type")
    if kind == "integer" and not re.fullmatch(r"-?\d+", value):
        wrong.append(f"parameter {name}: {value!r} is no integer")
    elif kind == "boolean" and value.lower() not in ("true", "false"):
        wrong.append(f"parameter {name}: {value!r} is no boolean")
    if "pattern" in schema and not re.fullmatch(schema["pattern"], value):
        wrong.append(f"parameter {name}: {value!r} does not match {schema['pattern']}")
    if "enum" in schema and value not in schema["enum"]:
        wrong.append(f"parameter {name}: {value!r} is not one of {schema['enum']}")


def _scalar(value: Any, schema: Schema, where: str, wrong: list[str]) -> None:
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
