# SPDX-License-Identifier: Apache-2.0
"""Filter expressions of lists: the part of AIP-160 that Compute Engine documents, and the older
form FIELD eq|ne REGEX, whose regular expression must match the whole value."""
from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

Test = Callable[[dict[str, Any]], bool]
TOKEN = re.compile(r"""\s*(?:(?P<string>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|"""
                   r"""(?P<op>!=|<=|>=|[=:<>()])|(?P<word>[^\s"'()=:<>!]+))""")
COMPARE = ("=", "!=", ":", "<", ">", "<=", ">=", "eq", "ne")


class FilterError(Exception):
    pass


def _tokens(text: str) -> list[tuple[str, str]]:
    found, at = [], 0
    while at < len(text.rstrip()):
        match = TOKEN.match(text, at)
        if match is None:
            raise FilterError(f"at position {at}")
        kind = str(match.lastgroup)
        value = match.group(kind)
        if kind == "string":
            value = re.sub(r'\\(["\'\\])', r"\1", value[1:-1])
        found.append((kind, value))
        at = match.end()
    return found


def _field(item: Any, path: str) -> Any:
    for name in path.split("."):
        if not isinstance(item, dict):
            return None
        item = item.get(name)
    return item


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _equal(value: Any, wanted: str) -> bool:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            return float(value) == float(wanted)
        except ValueError:
            return False
    return value is not None and _text(value) == wanted


def _has(value: Any, wanted: str) -> bool:
    if wanted == "*":
        return value is not None and value != [] and value != {}
    if isinstance(value, dict):
        return wanted in value
    if isinstance(value, list):
        return any(_has(entry, wanted) for entry in value)
    if value is None:
        return False
    pattern = ".*".join(re.escape(part) for part in wanted.split("*"))
    return re.search(rf"(?i)(^|\W){pattern}($|\W)", _text(value)) is not None


def _order(value: Any, op: str, wanted: str) -> bool:
    if value is None:
        return False
    try:
        left: Any = float(value)
        right: Any = float(wanted)
    except (TypeError, ValueError):
        left, right = _text(value), wanted
    return bool({"<": left < right, ">": left > right, "<=": left <= right,
                 ">=": left >= right}[op])


def _compare(path: str, op: str, wanted: str) -> Test:
    if op in ("eq", "ne"):
        try:
            pattern = re.compile(wanted)
        except re.error as error:
            raise FilterError(str(error)) from None
        return lambda item: (pattern.fullmatch(_text(_field(item, path)))
                             is not None) == (op == "eq")
    if op == ":":
        return lambda item: _has(_field(item, path), wanted)
    if op in ("=", "!="):
        return lambda item: _equal(_field(item, path), wanted) == (op == "=")
    return lambda item: _order(_field(item, path), op, wanted)


class _Parser:
    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens, self._at = tokens, 0

    def peek(self) -> tuple[str, str]:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("end", "")

    def take(self) -> tuple[str, str]:
        token = self.peek()
        self._at += 1
        return token

    def expression(self) -> Test:
        """AND binds weaker than OR; a missing operator is AND."""
        tests = [self.either()]
        while self.peek() not in (("end", ""), ("op", ")")):
            if self.peek() == ("word", "AND"):
                self.take()
            tests.append(self.either())
        return lambda item: all(test(item) for test in tests)

    def either(self) -> Test:
        tests = [self.term()]
        while self.peek() == ("word", "OR"):
            self.take()
            tests.append(self.term())
        return lambda item: any(test(item) for test in tests)

    def term(self) -> Test:
        kind, value = self.take()
        if (kind, value) in (("word", "NOT"), ("word", "-")):
            inner = self.term()
            return lambda item: not inner(item)
        if (kind, value) == ("op", "("):
            inner = self.expression()
            if self.take() != ("op", ")"):
                raise FilterError("missing )")
            return inner
        if kind != "word":
            raise FilterError(f"unexpected {value!r}")
        op = self.take()[1]
        if op not in COMPARE:
            raise FilterError(f"unexpected {op!r} after {value!r}")
        kind, wanted = self.take()
        if kind not in ("word", "string"):
            raise FilterError(f"no value after {value!r}")
        return _compare(value, op, wanted)


def compile_filter(text: str) -> Test:
    if not text.strip():
        return lambda item: True
    parser = _Parser(_tokens(text))
    test = parser.expression()
    if parser.peek()[0] != "end":
        raise FilterError(f"unexpected {parser.peek()[1]!r}")
    return test
