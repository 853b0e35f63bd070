#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What later runs find: another project in the environment, records that are an hour old, lists that are
behind, another's machine of the wanted name, another cluster of the same name, a spec that was refused.
Nothing is made twice, nothing is left, nobody else's is touched.
usage: later.py SHIM.so [REGEX OF NAMES]"""
from __future__ import annotations

import concurrent.futures
import json
import re
import sqlite3
import sys
import urllib.request
from pathlib import Path
from typing import Any, Callable

from harness import MACHINES, SPEC, Scenario, report, workers

SHIM = ""
GPU = {"accelerator": "nvidia-tesla-t4", "zone": "us-east1-d"}
HOUR_MS = 3600 * 1000
FOREIGN = {"name": "k-gpu-2", "machineType": "zones/us-east1-b/machineTypes/n1-standard-2",
           "disks": [{"boot": True, "autoDelete": True, "initializeParams": {
               "sourceImage": "projects/ubuntu-os-cloud/global/images/family/ubuntu-2404-lts-amd64"}}],
           "networkInterfaces": [{"network": "global/networks/default"}]}


def good(result: tuple[int, str]) -> None:
    assert result[0] == 0, result[1][-1500:]


def clean(scenario: Scenario) -> str:
    twice = scenario.made_twice()
    return f"made twice: {twice}" if twice else scenario.left()


def api(scenario: Scenario, method: str, path: str, body: Any = None) -> Any:
    """A request of somebody else's, waited for."""
    request = urllib.request.Request(
        scenario.where["endpoint"] + path, None if body is None else json.dumps(body).encode(),
        {"Authorization": "Bearer simulated-token", "Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=60) as answer:
        found = json.load(answer)
    if found.get("kind") == "compute#operation" and not path.endswith("/wait"):
        where = found["selfLink"].partition("/compute/v1/")[2]
        found = api(scenario, "POST", f"{where}/wait", {})
        assert "error" not in found, found
    return found


# --- another project in the environment
def another_project() -> str:
    spec = SPEC.replace("project: my-project, ", "")
    with Scenario("--project", "my-project", "--project", "other", spec=spec) as scenario:
        mine, other = {"CLOUDSDK_CORE_PROJECT": "my-project"}, {"CLOUDSDK_CORE_PROJECT": "other"}
        good(scenario.up(env=mine))
        since = scenario.admin("log")["entries"][-1]["n"]
        good(scenario.up(env=other))
        if scenario.instances() != MACHINES:
            return f"after up again there is {scenario.instances()}"
        good(scenario.down(env=other))
        asked = [entry["path"] for entry in scenario.admin(f"log?since={since}")["entries"]
                 if "/projects/other" in entry["path"]]
        return f"project other was asked: {asked}" if asked else clean(scenario)


# --- killed, and what a next run finds
def kill_at(scenario: Scenario, name: str, moment: str) -> None:
    """The client is killed at the first mutation of that name of `up`."""
    count = scenario.dir / "count"
    with Scenario() as other:
        good(other.up(env={"LD_PRELOAD": SHIM, "GPUC_KILL_COUNT": str(count)}))
    lines = [line.split("?")[0] for line in count.read_text().splitlines()]
    number = next(i for i, line in enumerate(lines, 1) if line.endswith(name))
    status, out = scenario.up(env={"LD_PRELOAD": SHIM, "GPUC_KILL_AT": f"{moment}:{number}"})
    assert status == -9, f"the client was not killed: {status}: {out[-500:]}"


def age(scenario: Scenario) -> None:
    """An hour passes: for the records, and for the server, which forgets their ids."""
    with sqlite3.connect(scenario.dir / "state/gpucluster/k/state.db") as state:
        for key, text in state.execute("SELECT key, value FROM value WHERE key LIKE 'provider.gce.%'").fetchall():
            older = re.sub(r'"at":(\d+)', lambda at: f'"at":{int(at[1]) - HOUR_MS}', text)
            state.execute("UPDATE value SET value = ? WHERE key = ?", (older, key))
    scenario.admin("forget", {})


def an_hour_later(name: str, moment: str, again: bool) -> str:
    with Scenario() as scenario:
        kill_at(scenario, name, moment)
        age(scenario)
        if again:
            good(scenario.up())
            if scenario.instances() != MACHINES:
                return f"after up again there is {scenario.instances()}"
        good(scenario.down())
        return clean(scenario)


def lists_behind(name: str, moment: str, again: bool) -> str:
    """Made where there was room; by the next run there is room in the zone tried first, too."""
    with Scenario() as scenario:
        scenario.admin("stock", {**GPU, "count": 0})
        scenario.admin("settings", {"list_lag_ms": 2000})
        kill_at(scenario, name, moment)
        scenario.admin("stock", {**GPU, "count": None})
        if again:
            good(scenario.up())
            if scenario.instances() != MACHINES:
                return f"after up again there is {scenario.instances()}"
        good(scenario.down())
        return clean(scenario)


# --- others in the same project
def foreign_machine() -> str:
    with Scenario() as scenario:
        good(scenario.up())
        zone = next(instance["zone"].rpartition("/")[2]
                    for instance in scenario.admin("state")["projects"]["my-project"]["instances"]
                    if instance["name"] == "k-gpu-2")
        api(scenario, "DELETE", f"projects/my-project/zones/{zone}/instances/k-gpu-2")
        api(scenario, "POST", "projects/my-project/zones/us-east1-b/instances", FOREIGN)
        good(scenario.down())
        if scenario.instances() != ["k-gpu-2"]:
            return f"after down there is {scenario.instances()}"
        api(scenario, "DELETE", "projects/my-project/zones/us-east1-b/instances/k-gpu-2")
        return scenario.left()


def same_name() -> str:
    with Scenario() as scenario:
        good(scenario.up())
        spec = scenario.dir / "spec.yaml"
        own = spec.read_text()
        spec.write_text(re.sub(r"expose:.*\n", "", own).replace("name: master", "name: m").replace("name: gpu", "name: g"))
        second = {"XDG_STATE_HOME": str(scenario.dir / "second")}
        good(scenario.up(env=second))
        held = scenario.admin("state")["projects"]["my-project"]
        targets = {tag for rule in held["firewalls"] for tag in rule.get("targetTags", [])}
        reached = sorted(i["name"] for i in held["instances"] if targets & set(i["tags"]["items"]))
        if reached != ["k-master"]:
            return f"the rules of the first cluster reach {reached}"
        good(scenario.down(env=second))
        if scenario.instances() != MACHINES:
            return f"after down of the second cluster there is {scenario.instances()}"
        good(scenario.down())
        return clean(scenario)


def refused_spec() -> str:
    with Scenario("--project", "my-project", "--project", "other") as scenario:
        spec = scenario.dir / "spec.yaml"
        own = spec.read_text()
        state = scenario.dir / "state/gpucluster/k"
        spec.write_text(own.replace("nvidia-tesla-t4", "nvidia-tesla-k80"))
        if scenario.up()[0] == 0 or state.exists():
            return "a first up that is refused leaves a state, or is not refused"
        spec.write_text(own)
        good(scenario.up())
        for wrong in (own.replace("my-project", "other"), own.replace("nvidia-tesla-t4", "nvidia-tesla-k80")
                      .replace("count: 3", "count: 4")):
            spec.write_text(wrong)
            status, out = scenario.up()
            if status == 0:
                return f"it is not refused: {out[-800:]}"
        good(scenario.down())  # by the spec of what there is
        return clean(scenario) or (f"{state} is left" if state.exists() else "")


CASES: dict[str, Callable[[], str]] = {
    "with another project in the environment": another_project,
    "beside another's machine of the wanted name": foreign_machine,
    "beside a cluster of the same name": same_name,
    "after a spec that was refused": refused_spec,
}
for _name in ("/bulkInsert", "/instances", "/firewalls"):
    for _again in (True, False):
        _end = "up, down" if _again else "down"
        CASES[f"an hour after a kill at {_name}, then {_end}"] = (
            lambda name=_name, again=_again: an_hour_later(name, "after", again))
        if _name != "/firewalls":
            CASES[f"with lists behind after a kill at {_name}, then {_end}"] = (
                lambda name=_name, again=_again: lists_behind(name, "answer", again))


def main() -> int:
    global SHIM
    SHIM = str(Path(sys.argv[1]).resolve())
    chosen = re.compile(sys.argv[2] if len(sys.argv) > 2 else "")
    ok = True
    with concurrent.futures.ThreadPoolExecutor(workers()) as pool:
        futures = {pool.submit(case): name for name, case in CASES.items() if chosen.search(name)}
        for future in concurrent.futures.as_completed(futures):
            try:
                problem = future.result()
            except Exception as error:  # noqa: BLE001 - told, not swallowed
                problem = repr(error)
            ok &= report(f"gce later run {futures[future]}", problem)
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
