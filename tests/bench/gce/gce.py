#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""N machines of Compute Engine (SIMULATED: at the emulator, operations of a fixed latency): this
library, gcloud, Apache Libcloud and curl, interleaved in one run, each with an emulator of its own.
Prints a Markdown table of requests, CPU, wall over the latency and peak memory.
usage: GPUC_CLI=BUILD/examples/cli/gpucluster gce.py
SIZES="1 3 100 1000" ROUNDS="5 5 3 1" LATENCY=1000 (ms)
PEERS="library curl-same curl-insert gcloud-bulk gcloud libcloud" """
from __future__ import annotations

import datetime
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "fault/gce"))

from harness import CLI, ROOT, Scenario, skips  # noqa: E402

ZONE = "us-east1-d"
LATENCY = int(os.environ.get("LATENCY", "1000"))
PEERS = "library curl-same curl-insert gcloud-bulk gcloud libcloud"
SPEC = """apiVersion: gpucluster/v1
name: k
provider: {{kind: gce, project: my-project, zones: [us-east1-d]}}
kubernetes: {{pod_subnet: 100.64.0.0/12}}
machines:
  - {{name: master, role: control-plane, machine_type: n1-standard-2}}
{workers}"""
WORKERS = "  - {{name: w, role: worker, count: {0}, machine_type: n1-standard-2}}\n"
MACHINE = ["--machine-type=n1-standard-2", f"--zone={ZONE}", "--maintenance-policy=TERMINATE",
           "--image-family=ubuntu-2404-lts-amd64", "--image-project=ubuntu-os-cloud"]
GCLOUD = {"CLOUDSDK_CORE_PROJECT": "my-project", "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
          "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "true",
          "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "true",
          "CLOUDSDK_CORE_CHECK_GCE_METADATA": "false",
          "CLOUDSDK_CORE_DISABLE_FILE_LOGGING": "true"}


@dataclass
class Figures:
    """Of one run. requests: of HTTP; calls: of the API, a batch has many."""

    requests: float
    calls: float
    cpu_s: float
    over_s: float
    peak_mib: float


# --- the clients: each gives its command line
def properties(url: str | None) -> dict[str, Any]:
    """url None: as bulkInsert wants them."""
    types = f"{url}machineTypes/" if url else ""
    return {"machineType": types + "n1-standard-2",
            "disks": [{"boot": True, "autoDelete": True, "initializeParams": {
                "sourceImage": "projects/ubuntu-os-cloud/global/images/family/"
                               "ubuntu-2404-lts-amd64"}}],
            "metadata": {"items": [{"key": "enable-guest-attributes", "value": "TRUE"}]},
            "networkInterfaces": [{"network": "global/networks/default",
                                   "accessConfigs": [{"type": "ONE_TO_ONE_NAT"}]}]}


def library(scenario: Scenario, _count: int) -> list[str]:
    return [CLI, "--json", "up", str(scenario.dir / "spec.yaml"), "--no-proof", *skips()]


def gcloud(scenario: Scenario, count: int) -> list[str]:
    scenario.env.update(GCLOUD, CLOUDSDK_CONFIG=str(scenario.dir / "gcloud"))
    return ["gcloud", "compute", "instances", "create", *(f"w-{n}" for n in range(count)), *MACHINE]


def gcloud_bulk(scenario: Scenario, count: int) -> list[str]:
    scenario.env.update(GCLOUD, CLOUDSDK_CONFIG=str(scenario.dir / "gcloud"))
    return ["gcloud", "compute", "instances", "bulk", "create", "--name-pattern=w-####",
            f"--count={count}", *MACHINE]


def libcloud(scenario: Scenario, count: int) -> list[str]:
    return [f"{venv()}/bin/python", str(HERE / "libcloud_nodes.py"), scenario.where["root"],
            scenario.where["credentials"]["service_account"], "my-project", ZONE, str(count)]


def parallel(scenario: Scenario, name: str, parts: list[list[str]]) -> str:
    """A command that does all of them with 16 connections."""
    entries = ["\n".join(['header = "Authorization: Bearer simulated-token"', "fail", *part,
                          'output = "/dev/null"']) for part in parts]
    (scenario.dir / name).write_text("\nnext\n".join(entries) + "\n")
    return f"curl -sS -Z --parallel-max 16 -K {scenario.dir / name}"


def post(path: Path, body: Any) -> list[str]:
    path.write_text(json.dumps(body))
    return ['header = "Content-Type: application/json"', f'data = "@{path}"']


def curl_insert(scenario: Scenario, count: int) -> list[str]:
    """Nothing but the inserts."""
    url = f"{scenario.where['endpoint']}projects/my-project/zones/{ZONE}/"
    parts = []
    for n in range(count):
        body = {"name": f"w-{n}", **properties(f"zones/{ZONE}/")}
        parts.append([f'url = "{url}instances"', *post(scenario.dir / f"body-{n}", body)])
    return ["sh", "-c", parallel(scenario, "inserts", parts)]


def curl_same(scenario: Scenario, count: int) -> list[str]:
    """What cannot be left out of the library's requests: bulkInsert, wait, list, each host key."""
    base = f"{scenario.where['endpoint']}projects/my-project/"
    url, names = f"{base}zones/{ZONE}/", [f"w-{n}" for n in range(count)]
    post(scenario.dir / "bulk", {"count": str(count), "minCount": "1", "instanceProperties":
                                 properties(None), "perInstanceProperties": {n: {} for n in names}})
    keys = [[f'url = "{url}instances/{name}/getGuestAttributes?queryPath=hostkeys%2F"']
            for name in names]
    lists = " ".join(f"'{base}aggregated/instances?maxResults=500'" for _ in range(-(-count // 500)))
    curl = "curl -sS -f -H 'Authorization: Bearer simulated-token'"
    return ["sh", "-ec", f"""
        name=$({curl} -H 'Content-Type: application/json' -d @{scenario.dir}/bulk \
            '{url}instances/bulkInsert' | sed -n 's/.*"name": *"\\(operation[^"]*\\)".*/\\1/p')
        {curl} -X POST -H 'Content-Length: 0' "{url}operations/$name/wait" >/dev/null
        {curl} {lists} >/dev/null
        {parallel(scenario, "keys", keys)}"""]


CLIENTS = {"library": library, "gcloud": gcloud, "gcloud-bulk": gcloud_bulk, "libcloud": libcloud,
           "curl-insert": curl_insert, "curl-same": curl_same}


def venv() -> str:
    done = subprocess.run(["sh", str(ROOT / "tests/gce_emulator/venv")], text=True,
                          capture_output=True)
    return done.stdout.strip()


def missing(peer: str) -> str:
    if peer == "library":
        return "" if Path(CLI).exists() else f"{CLI} is not built"
    if peer == "libcloud":
        return "" if venv() else "no environment of tests/gce_emulator/requirements.txt"
    tool = peer.partition("-")[0]
    return "" if shutil.which(tool) else f"{tool} is not installed"


# --- one run
def cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run(peer: str, count: int) -> Figures:
    spec = SPEC.format(workers=WORKERS.format(count - 1) if count > 1 else "")
    with Scenario("--latency", str(LATENCY), "--discovery", "none", "--credentials",
                  os.environ["BENCH_KEYS"], spec=spec) as scenario:
        command = CLIENTS[peer](scenario, count)
        peak, cpu, begun = scenario.dir / "peak", cpu_of_children(), time.monotonic()
        done = subprocess.run(["/usr/bin/time", "-o", str(peak), "-f", "%M", *command],
                              env=scenario.env, text=True, capture_output=True, timeout=1800)
        wall, cpu = time.monotonic() - begun, cpu_of_children() - cpu
        made = len(scenario.instances())
        if done.returncode or made != count:
            sys.exit(f"FAIL {peer}: {made} of {count} machines, exit status {done.returncode}: "
                     + done.stderr[-2000:])
        log = scenario.admin("log")
        entries = log if isinstance(log, list) else next(iter(log.values()))
        batches = [e for e in entries if e["path"].startswith("/batch")]
        parts = [e for e in entries if e["batchPart"]]
        latency = 0 if peer == "curl-insert" else LATENCY / 1000
        return Figures(len(entries) - len(parts), len(entries) - len(batches), cpu,
                       wall - latency, int(peak.read_text()) / 1024)


def medians(runs: list[Figures]) -> list[float]:
    return [statistics.median(column) for column in zip(*map(astuple, runs))]


def ratio(field: str, runs: list[Figures], base: list[Figures]) -> str:
    """The median over the rounds of (this one's / the library's in the same round)."""
    found = statistics.median(getattr(a, field) / max(getattr(b, field), 0.001)
                              for a, b in zip(runs, base))
    return f"{found:.2g}" if found < 10 else f"{found:.0f}"


def main() -> int:
    sizes = [int(n) for n in os.environ.get("SIZES", "1 3 100 1000").split()]
    rounds = [int(n) for n in os.environ.get("ROUNDS", "5 5 3 1").split()]
    peers = []
    for peer in os.environ.get("PEERS", PEERS).split():
        why = missing(peer)
        if why and peer == "library":
            sys.exit(f"FAIL {peer}: {why}")
        if why:
            print(f"SKIP {peer}: {why}", file=sys.stderr)
        else:
            peers.append(peer)
    found: dict[tuple[int, str], list[Figures]] = {}
    for count, times in zip(sizes, rounds):
        for number in range(times):
            for peer in peers:
                figures = run(peer, count)
                found.setdefault((count, peer), []).append(figures)
                print(f"{count} machines, round {number + 1}, {peer}: {figures}", file=sys.stderr,
                      flush=True)
    print(f"{datetime.date.today()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, "
          f"SIMULATED, operations of {LATENCY} ms, rounds {rounds} for {sizes} machines\n")
    print("| machines | client | requests (API calls) | CPU s | to the library | wall over latency s "
          "| to the library | peak MiB | to the library |\n|---|---|---|---|---|---|---|---|---|")
    for count in sizes:
        for peer in peers:
            runs, base = found[count, peer], found[count, "library"]
            requests, calls, cpu, over, peak = medians(runs)
            print(f"| {count} | {peer} | {requests:.0f} ({calls:.0f}) | {cpu:.3f} | "
                  f"{ratio('cpu_s', runs, base)} | {over:.2f} | {ratio('over_s', runs, base)} | "
                  f"{peak:.1f} | {ratio('peak_mib', runs, base)} |")
    return 0


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="gpuc-bench-") as keys:
        os.environ["BENCH_KEYS"] = keys
        sys.exit(main())
