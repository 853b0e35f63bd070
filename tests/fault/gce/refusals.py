#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What must be refused: each case ends plan and up with an error that names the cause, and sends no
mutation. usage: refusals.py [REGEX OF NAMES]"""
from __future__ import annotations

import concurrent.futures
import json
import os
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable

from harness import SPEC, Scenario, error_of, report, workers

Credentials = dict[str, Any]
READS = re.compile(r"/wait$|:testIamPermissions$|/token$|/timeSeries$")


@dataclass
class Case:
    says: str  # pattern of the error's text
    spec: Callable[[str], str] = lambda text: text
    faults: list[dict[str, Any]] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    quota: dict[str, Any] | None = None
    credentials: Callable[[Credentials], Any] | None = None  # changes the service account's file
    file: str = "service_account"
    plan_fails: bool = True  # else plan tells it of the steps it cannot judge


def put(old: str, new: str) -> Callable[[str], str]:
    def change(text: str) -> str:
        assert old in text, old
        return text.replace(old, new)
    return change


def without(name: str) -> Callable[[Credentials], Any]:
    return lambda account: {key: value for key, value in account.items() if key != name}


def other(**changes: Any) -> Callable[[Credentials], Any]:
    return lambda account: {**account, **changes}


GPU = "machine_type: n1-standard-2, accelerator: {type: nvidia-tesla-t4, count: 1}"
STRANGER = {"kind": "compute#instance", "name": "k-master", "status": "RUNNING", "id": "1",
            "selfLink": "https://www.googleapis.com/compute/v1/projects/not-ours/zones/us-east1-d/instances/k-master",
            "zone": "https://www.googleapis.com/compute/v1/projects/not-ours/zones/us-east1-d",
            "labels": {"gpucluster-name": "k"}}
CASES: dict[str, Case] = {
    "credentials that are no JSON": Case("JSON", credentials=lambda _: "not json {"),
    "credentials without a key": Case("private_key", credentials=without("private_key")),
    "credentials with a broken key": Case("private_key|key", credentials=other(private_key="-----BEGIN")),
    "credentials of an unknown type": Case("type", credentials=other(type="gold_card")),
    "credentials that are foreign": Case("invalid_grant|refus|revoked",
                                         credentials=other(client_email="thief@example.com", private_key_id="0")),
    "a user's credentials that have expired": Case("invalid_grant|expired|revoked|log in", file="authorized_user",
                                                   credentials=other(refresh_token="1//stale")),
    "a project that does not exist": Case("no-such-project", put("my-project", "no-such-project")),
    "zones of two regions and a subnetwork": Case("region", lambda text: text.replace(
        "us-east1-c]", "us-west1-b], subnetwork: mine")),
    "an accelerator that no zone has": Case("nvidia-tesla-p4|p4", lambda text: text.replace(
        GPU, "machine_type: n1-standard-2, accelerator: {type: nvidia-tesla-p4, count: 1}"),
        faults=[{"method": "GET", "path": "aggregated/acceleratorTypes", "action": {
            "kind": "status", "status": 200, "raw": {"kind": "compute#acceleratorTypeAggregatedList", "items": {}}}}]),
    "an accelerator that does not exist": Case("nvidia-tesla-t5", put("nvidia-tesla-t4", "nvidia-tesla-t5")),
    "an accelerator that has been retired": Case("k80.*retired|retired|shut|gone|nvidia-tesla-t4",
                                                 put("nvidia-tesla-t4", "nvidia-tesla-k80")),
    "an image that has been retired": Case("ubuntu-1604-lts", lambda text: text.replace(
        GPU, GPU + ", image: {project: ubuntu-os-cloud, family: ubuntu-1604-lts}")),
    "more vCPUs than the GPU may have": Case("vCPU|CPU|n1-", put(GPU, GPU.replace("n1-standard-2", "n1-standard-96"))),
    "a machine type that does not exist": Case("n1-standard-3", put(GPU, GPU.replace("n1-standard-2", "n1-standard-3"))),
    "a zone that does not exist": Case("us-east1-z", put("us-east1-c", "us-east1-z")),
    "a name over 63 characters": Case("63|long|characters", put("name: gpu,", f"name: g{'p' * 63}u,")),
    "machines of another project": Case("not-ours|another project|other project", faults=[
        {"method": "GET", "path": "aggregated/instances", "action": {"kind": "status", "status": 200, "raw": {
            "kind": "compute#instanceAggregatedList", "items": {"zones/us-east1-d": {"instances": [STRANGER]}}}}}],
        plan_fails=False),
    "a project without the API": Case("enable", settings={"api_disabled": True}),
    "permissions that are missing": Case("permission|instances", settings={
        "denied_permissions": ["compute.instances.create"]}),
    "a quota that is too small": Case("NVIDIA_T4_GPUS", quota={
        "region": "us-east1", "metric": "NVIDIA_T4_GPUS", "limit": 1}),
    "a project without GPUs": Case("GPUS_ALL_REGIONS", quota={
        "region": "global", "metric": "GPUS_ALL_REGIONS", "limit": 0}),
    "a price above the limit": Case("max_price|price|hour", put("zones: [", "max_price_per_hour: 0.01, zones: [")),
    "a life of half a year": Case("120|ttl", put("zones: [", "ttl: 180d, zones: [")),
}


def prepare(scenario: Scenario, case: Case) -> None:
    for fault in case.faults:
        scenario.admin("faults", fault)
    if case.settings:
        scenario.admin("settings", case.settings)
    if case.quota:
        scenario.admin("quota", case.quota)
    if case.credentials:
        path = Path(scenario.where["credentials"][case.file])
        made = case.credentials(json.loads(path.read_text()))
        path.write_text(made if isinstance(made, str) else json.dumps(made))
        scenario.env.pop("CLOUDSDK_AUTH_ACCESS_TOKEN_FILE")
        scenario.env["GOOGLE_APPLICATION_CREDENTIALS"] = str(path)


def mutations(scenario: Scenario) -> list[str]:
    return [f"{entry['method']} {entry['path']}" for entry in scenario.admin("log")["entries"]
            if entry["method"] != "GET" and not READS.search(entry["path"])]


def one(case: Case) -> str:
    folder = Path(os.environ.get("TMPDIR", "/tmp"))
    credentials = folder / f"gpuc-gce-credentials-{os.getpid()}-{id(case)}"
    with Scenario("--credentials", str(credentials), spec=case.spec(SPEC)) as scenario:
        prepare(scenario, case)
        for name, run in (("plan", lambda: scenario.client("--json", "plan", str(scenario.dir / "spec.yaml"))),
                          ("up", scenario.up)):
            status, out = run()
            error = error_of(out)
            text = json.dumps(error)
            if name == "plan" and not case.plan_fails and re.search(case.says, out, re.I):
                continue
            if status == 0 or not error:
                return f"{name} ended with {status} and no error: {out[-1500:]}"
            if not re.search(case.says, text, re.I):
                return f"{name} does not say {case.says}: {text}"
            if not error.get("remedy") and "line" not in text and not re.search(r":\d+:\d+:", text):
                return f"{name} does not say what to do: {text}"
        sent = mutations(scenario)
        return f"mutations were sent: {sent}" if sent else ""


def readable() -> str:
    """A key file that others can read works, with a warning."""
    credentials = Path(os.environ.get("TMPDIR", "/tmp")) / f"gpuc-gce-credentials-{os.getpid()}-open"
    with Scenario("--credentials", str(credentials)) as scenario:
        path = Path(scenario.where["credentials"]["service_account"])
        path.chmod(0o644)
        scenario.env.pop("CLOUDSDK_AUTH_ACCESS_TOKEN_FILE")
        scenario.env["GOOGLE_APPLICATION_CREDENTIALS"] = str(path)
        status, out = scenario.client("plan", str(scenario.dir / "spec.yaml"))
        if status != 0 or not re.search(r"warn.*(read|0600|others)", out, re.I):
            return f"ended with {status}: {out[-1500:]}"
        return ""


def main() -> int:
    chosen = re.compile(sys.argv[1] if len(sys.argv) > 1 else "")
    jobs: dict[str, Callable[[], str]] = {
        f"gce refuses {name}": (lambda case=case: one(case)) for name, case in CASES.items()}
    jobs["gce warns of a key file that others can read"] = readable
    good = True
    with concurrent.futures.ThreadPoolExecutor(workers()) as pool:
        futures = {pool.submit(job): name for name, job in jobs.items() if chosen.search(name)}
        for future in concurrent.futures.as_completed(futures):
            try:
                problem = future.result()
            except Exception as error:  # noqa: BLE001 - told, not swallowed
                problem = repr(error)
            good &= report(futures[future], problem)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
