# SPDX-License-Identifier: Apache-2.0
"""A plugin of pytest: one line for each test, in the form that tests/run counts."""
from __future__ import annotations

import textwrap

import pytest


def _name(nodeid: str) -> str:
    file, _, rest = nodeid.partition("::")
    area = file.rsplit("/", 1)[-1].removeprefix("test_").removesuffix(".py")
    return f"gce emulator, {area}: {rest.replace('test_', '').replace('::', ' ').replace('_', ' ')}"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Which the plugin that is replaced has."""
    parser.addoption("--tb", dest="tbstyle", default="short")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    name = _name(report.nodeid)
    if report.failed:
        where = "" if report.when == "call" else f" ({report.when})"
        print(f"\nFAIL {name}{where}", flush=True)
        print(textwrap.indent(report.longreprtext[-2000:], "    "), flush=True)
    elif report.skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
        print(f"SKIP {name}: {reason.removeprefix('Skipped: ')}", flush=True)
    elif report.when == "call":
        print(f"ok {name}", flush=True)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.failed:
        print(f"FAIL gce emulator, {report.nodeid}: cannot be read", flush=True)
        print(textwrap.indent(report.longreprtext[-2000:], "    "), flush=True)
