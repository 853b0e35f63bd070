#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every kind of request of up and of down, answered once with each fault: the run converges, or ends
with an error that says what happened and the next run converges. Nothing leaks, nothing is made
twice. usage: answers.py [REGEX OF NAMES]"""
from __future__ import annotations

import concurrent.futures
import re
import sys
from typing import Any

from harness import MACHINES, Scenario, error_of, report, workers

# What must be outlived in the same run: with reads, and with mutations that carry a request id.
OUTLIVED: dict[str, dict[str, Any]] = {
    "403 rateLimitExceeded": {"kind": "status", "status": 403, "reason": "rateLimitExceeded"},
    "429 with Retry-After": {"kind": "status", "status": 429, "retry_after": 1},
    "500": {"kind": "status", "status": 500},
    "503": {"kind": "status", "status": 503},
    "a truncated body": {"kind": "truncate"},
    "a hang": {"kind": "hang"},
    "a reset before the effect": {"kind": "reset_before"},
    "a reset after the effect": {"kind": "reset_after"},
    "invalid JSON": {"kind": "invalid_json"},
}
# What may end the run, if the error says so.
TOLD: dict[str, dict[str, Any]] = {
    "409": {"kind": "status", "status": 409, "reason": "alreadyExists"},
    "412": {"kind": "status", "status": 412, "reason": "conditionNotMet"},
    "100 MB of JSON": {"kind": "huge"},
}
FAULTS = {**OUTLIVED, **TOLD}
NAMES = [(r"/operations/[^/]+/", "/operations/[^/]+/"), (r"/instances/k-[^/]+", "/instances/k-[^/]+"),
         (r"/images/family/[^/]+", "/images/family/[^/]+"), (r"projects/ubuntu[^/]+", "projects/ubuntu[^/]+")]


def kind_of(entry: dict[str, Any]) -> tuple[str, str]:
    path = entry["path"]
    for pattern, general in NAMES:
        path = re.sub(pattern, lambda _, text=general: text, path)
    return entry["method"], path


def kinds() -> dict[str, list[tuple[str, str]]]:
    """The requests of an up and of a down that nothing disturbs."""
    found: dict[str, list[tuple[str, str]]] = {}
    with Scenario() as scenario:
        for phase, run in (("up", scenario.up), ("down", scenario.down)):
            since = len(scenario.admin("log")["entries"])
            status, out = run()
            assert status == 0, out
            entries = scenario.admin(f"log?since={since}")["entries"]
            found[phase] = list(dict.fromkeys(kind_of(entry) for entry in entries))
    return found


def told(out: str) -> str:
    """What is wrong with the error that ended a run."""
    error = error_of(out)
    if not error.get("name") or not error.get("message"):
        return f"no error in: {out[-1000:]}"
    return ""


def disturbed(scenario: Scenario, phase: str, fault: str) -> str:
    run = scenario.up if phase == "up" else scenario.down
    status, out = run()
    if status == 0:
        return ""
    if fault in OUTLIVED:
        return f"{phase} ended with {status}: {error_of(out) or out[-1500:]}"
    problem = told(out)
    if problem:
        return problem
    status, out = run()
    return f"{phase} again ended with {status}: {out[-1500:]}" if status else ""


def one(phase: str, method: str, path: str, fault: str) -> str:
    with Scenario() as scenario:
        if phase == "down":
            status, out = scenario.up()
            if status != 0:
                return f"up ended with {status}: {out[-1500:]}"
        scenario.admin("faults", {"method": method, "path": path + "$", "nth": 1,
                                  "action": FAULTS[fault]})
        problem = disturbed(scenario, phase, fault)
        if not problem and not scenario.admin("faults")["faults"][0]["fired"]:
            problem = "the fault was never met"
        if not problem and phase == "up":
            if scenario.instances() != MACHINES:
                problem = f"there is {scenario.instances()}"
            else:
                status, out = scenario.down()
                problem = f"down ended with {status}: {out[-1500:]}" if status else ""
        twice = scenario.made_twice()
        return problem or (f"made twice: {twice}" if twice else scenario.left())


def patience(name: str) -> int:
    return 0 if name.endswith("a hang") else 1 if name.endswith("403 rateLimitExceeded") else 2


def main() -> int:
    chosen = re.compile(sys.argv[1] if len(sys.argv) > 1 else "")
    found = kinds()
    jobs = {f"gce {method} {path.removeprefix('/compute/v1/projects/')} of {phase}, answered with {fault}":
            (phase, method, path, fault)
            for phase, requests in found.items() for method, path in requests for fault in FAULTS}
    good = report("gce answers: the kinds of request are all seen",
                  "" if len(found["up"]) >= 14 and len(found["down"]) >= 6 else str(found))
    # Most of them wait; what waits longest begins first.
    with concurrent.futures.ThreadPoolExecutor(workers() * 5) as pool:
        futures = {pool.submit(one, *jobs[name]): name for name in sorted(jobs, key=patience)
                   if chosen.search(name)}
        for future in concurrent.futures.as_completed(futures):
            try:
                problem = future.result()
            except Exception as error:  # noqa: BLE001 - told, not swallowed
                problem = repr(error)
            good &= report(futures[future], problem)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
