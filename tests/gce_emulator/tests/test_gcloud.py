# SPDX-License-Identifier: Apache-2.0
"""The real gcloud at the emulator, with the commands of the guide that the library replaces."""
from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from emu import PROJECT, Emulator

pytestmark = pytest.mark.skipif(shutil.which("gcloud") is None, reason="gcloud is not installed")
ZONE = "--zone=us-east1-d"


class Gcloud:
    def __init__(self, emulator: Emulator, folder: Path) -> None:
        token = folder / "token"
        token.write_text("test")
        root = emulator.where["root"]
        self._environment = {
            "PATH": os.environ["PATH"], "HOME": str(folder), "CLOUDSDK_CONFIG": str(folder / "c"),
            "CLOUDSDK_CORE_PROJECT": PROJECT, "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE": root + "compute/v1/",
            "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE": str(token),
            "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "true",
            "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "true",
            "CLOUDSDK_CORE_CHECK_GCE_METADATA": "false",
            "CLOUDSDK_CORE_DISABLE_FILE_LOGGING": "true"}

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["gcloud", "compute", *words, "--format=json"], text=True,
                              capture_output=True, env=self._environment, timeout=120)

    def __call__(self, *words: str) -> Any:
        done = self.run(*words)
        assert done.returncode == 0, done.stderr[-2000:]
        return json.loads(done.stdout) if done.stdout.strip() else None


@pytest.fixture
def gcloud(emulator: Emulator, tmp_path: Path) -> Gcloud:
    return Gcloud(emulator, tmp_path)


CREATE = ("--machine-type=n1-standard-2", "--accelerator=type=nvidia-tesla-t4,count=1",
          "--image-family=ubuntu-2404-lts-amd64", "--image-project=ubuntu-os-cloud",
          "--maintenance-policy=TERMINATE", "--restart-on-failure", ZONE)


def test_the_commands_of_the_guide(gcloud: Gcloud, emulator: Emulator, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("ubuntu:ssh-rsa AAAA ubuntu\n")
    gcloud("project-info", "add-metadata", f"--metadata-from-file=sshKeys={keys}")
    assert emulator.get("")["commonInstanceMetadata"]["items"] == [
        {"key": "sshKeys", "value": "ubuntu:ssh-rsa AAAA ubuntu\n"}]
    made = gcloud("instances", "create", "kubernetes-worker-gpu-1", *CREATE,
                  "--metadata=block-project-ssh-keys=FALSE")
    assert made[0]["status"] == "RUNNING"
    found = gcloud("instances", "list")
    assert [entry["name"] for entry in found] == ["kubernetes-worker-gpu-1"]
    described = gcloud("instances", "describe", "kubernetes-worker-gpu-1", ZONE)
    assert described["guestAccelerators"][0]["acceleratorCount"] == 1
    gcloud("instances", "delete", "kubernetes-worker-gpu-1", ZONE, "--quiet")
    assert emulator.names("us-east1-d") == []


def test_three_names_are_a_batch(gcloud: Gcloud, emulator: Emulator) -> None:
    gcloud("instances", "create", "w-1", "w-2", "w-3", *CREATE)
    assert emulator.names("us-east1-d") == ["w-1", "w-2", "w-3"]
    batches = emulator.log("POST", "^/batch")
    assert len(batches) == 3
    parts = [entry for entry in emulator.log() if entry["batchPart"]]
    assert len([part for part in parts if part["path"].endswith("/instances")]) == 3
    gcloud("instances", "delete", "w-1", "w-2", "w-3", ZONE, "--quiet")
    assert emulator.state()["empty"]


@pytest.mark.parametrize("where", [ZONE, "--region=us-east1"])
def test_bulk_create(gcloud: Gcloud, emulator: Emulator, where: str) -> None:
    gcloud("instances", "bulk", "create", "--name-pattern=bulk-###", "--count=3", where,
           "--machine-type=n1-standard-2", "--accelerator=type=nvidia-tesla-t4,count=1",
           "--image-family=ubuntu-2404-lts-amd64", "--image-project=ubuntu-os-cloud",
           "--maintenance-policy=TERMINATE")
    zone = "us-east1-d" if where == ZONE else "us-east1-c"
    assert emulator.names(zone) == ["bulk-001", "bulk-002", "bulk-003"]


def test_a_stock_out_is_shown(gcloud: Gcloud, emulator: Emulator) -> None:
    emulator.admin("POST", "stock", {"zone": "us-east1-d", "accelerator": "nvidia-tesla-t4",
                                     "count": 0})
    done = gcloud.run("instances", "create", "w-1", *CREATE)
    assert done.returncode == 1 and "ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS" in done.stderr


def test_a_quota_is_shown(gcloud: Gcloud, emulator: Emulator) -> None:
    emulator.admin("POST", "quota", {"region": "global", "metric": "GPUS_ALL_REGIONS", "limit": 0})
    done = gcloud.run("instances", "create", "w-1", *CREATE)
    assert done.returncode == 1 and "GPUS-ALL-REGIONS-per-project" in done.stderr


def test_firewall_rules_and_lists(gcloud: Gcloud, emulator: Emulator) -> None:
    gcloud("firewall-rules", "create", "k8s-api", "--allow=tcp:6443", "--target-tags=k8s-master",
           "--source-ranges=203.0.113.0/24")
    rules = gcloud("firewall-rules", "list")
    assert "k8s-api" in [rule["name"] for rule in rules]
    gcloud("firewall-rules", "delete", "k8s-api", "--quiet")
    kinds = gcloud("accelerator-types", "list", "--filter=zone:us-east1-d")
    assert {kind["name"] for kind in kinds} == {"nvidia-tesla-t4", "nvidia-l4"}
    image = gcloud("images", "describe-from-family", "ubuntu-2404-lts-amd64",
                   "--project=ubuntu-os-cloud")
    assert image["name"] == "ubuntu-2404-noble-amd64-v20260415"


def test_inside_of_a_machine(gcloud: Gcloud, emulator: Emulator) -> None:
    gcloud("instances", "create", "w-1", *CREATE, "--metadata=enable-guest-attributes=TRUE")
    keys = gcloud("instances", "get-guest-attributes", "w-1", ZONE, "--query-path=hostkeys/")
    assert [key["key"] for key in keys] == ["ssh-ed25519"]
    console = gcloud("instances", "get-serial-port-output", "w-1", ZONE)
    assert "SIMULATED" in console["contents"]
    gcloud("instances", "add-labels", "w-1", ZONE, "--labels=a=b")
    gcloud("instances", "add-tags", "w-1", ZONE, "--tags=t")
    gcloud("instances", "add-metadata", "w-1", ZONE, "--metadata=x=y")
    instance = emulator.get("/zones/us-east1-d/instances/w-1")
    assert instance["labels"] == {"a": "b"} and instance["tags"]["items"] == ["t"]
    assert {"key": "x", "value": "y"} in instance["metadata"]["items"]
