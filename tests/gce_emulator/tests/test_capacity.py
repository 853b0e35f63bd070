# SPDX-License-Identifier: Apache-2.0
"""What GPUs add: stock, quotas, limits of N1, live migration, ways to obtain."""
from __future__ import annotations

import pytest
from emu import INSTANCES, Emulator, body

T4 = "nvidia-tesla-t4"


def quota(emulator: Emulator, region: str, metric: str) -> dict[str, float]:
    found = emulator.get("" if region == "global" else f"/regions/{region}")["quotas"]
    return {key: entry[key] for entry in found if entry["metric"] == metric
            for key in ("limit", "usage")}


def test_a_zone_runs_out(emulator: Emulator) -> None:
    emulator.admin("POST", "stock", {"zone": "us-east1-d", "accelerator": T4, "count": 1})
    emulator.do("POST", INSTANCES, body("w1", gpu=T4))
    error = emulator.fails("POST", INSTANCES, body("w2", gpu=T4))
    assert error["code"] == "ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS"
    details = [next(iter(entry)) for entry in error["errorDetails"]]
    assert details == ["help", "localizedMessage", "errorInfo"]
    assert emulator.names("us-east1-d") == ["w1"]
    emulator.do("DELETE", INSTANCES + "/w1")
    emulator.do("POST", INSTANCES, body("w2", gpu=T4))


def test_a_stock_out_shows_late(emulator: Emulator) -> None:
    emulator.settings(latency_ms=1200)
    emulator.admin("POST", "stock", {"zone": "us-east1-d", "accelerator": T4, "count": 0})
    operation = emulator.start("POST", INSTANCES, body(gpu=T4))
    assert emulator.get(INSTANCES + "/w1")["status"] in ("PROVISIONING", "STAGING")
    assert "error" in emulator.wait(operation)
    assert emulator.state()["empty"]


def test_a_stopped_machine_loses_its_gpu(emulator: Emulator) -> None:
    emulator.do("POST", INSTANCES, body(gpu=T4))
    emulator.do("POST", INSTANCES + "/w1/stop")
    emulator.admin("POST", "stock", {"zone": "us-east1-d", "accelerator": T4, "count": 0})
    assert "EXHAUSTED" in emulator.fails("POST", INSTANCES + "/w1/start")["code"]


def test_a_regional_quota(emulator: Emulator) -> None:
    emulator.admin("POST", "quota", {"region": "us-east1", "metric": "NVIDIA_T4_GPUS", "limit": 1})
    emulator.do("POST", INSTANCES, body("w1", gpu=T4))
    assert quota(emulator, "us-east1", "NVIDIA_T4_GPUS") == {"limit": 1, "usage": 1}
    error = emulator.fails("POST", INSTANCES, body("w2", gpu=T4))
    assert error["code"] == "QUOTA_EXCEEDED"
    assert error["message"] == ("Quota 'NVIDIA_T4_GPUS' exceeded. Limit: 1.0 in region us-east1.")
    info = error["errorDetails"][0]["quotaInfo"]
    assert info["metricName"] == "compute.googleapis.com/nvidia_t4_gpus"
    assert info["limitName"] == "NVIDIA-T4-GPUS-per-project-region"
    assert info["dimensions"] == {"region": "us-east1"} and info["limit"] == 1
    emulator.do("DELETE", INSTANCES + "/w1")
    assert quota(emulator, "us-east1", "NVIDIA_T4_GPUS")["usage"] == 0
    assert quota(emulator, "us-east1", "CPUS")["usage"] == 0


def test_the_project_wide_quota(emulator: Emulator) -> None:
    emulator.admin("POST", "quota", {"region": "global", "metric": "GPUS_ALL_REGIONS", "limit": 0})
    error = emulator.fails("POST", INSTANCES, body(gpu=T4))
    assert error["message"] == "Quota 'GPUS_ALL_REGIONS' exceeded. Limit: 0.0 globally."
    info = error["errorDetails"][0]["quotaInfo"]
    assert info["limitName"] == "GPUS-ALL-REGIONS-per-project"
    assert info["dimensions"] == {"global": "global"}


def test_spot_has_its_own_quota_where_one_was_granted(emulator: Emulator) -> None:
    emulator.do("POST", INSTANCES, body("w1", gpu=T4, spot=True))
    assert quota(emulator, "us-east1", "PREEMPTIBLE_NVIDIA_T4_GPUS")["usage"] == 1
    assert quota(emulator, "us-east1", "NVIDIA_T4_GPUS")["usage"] == 0
    emulator.admin("POST", "quota", {"region": "us-east1", "limit": 0,
                                     "metric": "PREEMPTIBLE_NVIDIA_T4_GPUS"})
    emulator.do("POST", INSTANCES, body("w2", gpu=T4, spot=True))
    assert quota(emulator, "us-east1", "NVIDIA_T4_GPUS")["usage"] == 1


def test_h100_counts_by_family(emulator: Emulator) -> None:
    emulator.admin("POST", "quota", {"region": "us-central1", "metric": "NVIDIA_H100", "limit": 4})
    wanted = body(machine="a3-highgpu-8g")
    wanted["machineType"] = "zones/us-central1-a/machineTypes/a3-highgpu-8g"
    wanted["disks"][0]["initializeParams"]["diskType"] = "zones/us-central1-a/diskTypes/pd-ssd"
    error = emulator.fails("POST", "/zones/us-central1-a/instances", wanted)
    assert "'GPUS_PER_GPU_FAMILY' exceeded" in error["message"]
    dimensions = error["errorDetails"][0]["quotaInfo"]["dimensions"]
    assert dimensions == {"gpu_family": "NVIDIA_H100", "region": "us-central1"}
    assert quota(emulator, "us-central1", "NVIDIA_H100") == {}
    url = (emulator.where["root"] + "v1/projects/my-project/locations/global/services/"
           "compute.googleapis.com/quotaInfos")
    infos = emulator.http.get(url, headers={"Authorization": "Bearer x"}).json()["quotaInfos"]
    assert {"gpu_family": "NVIDIA_H100", "region": "us-central1"} in [
        entry["dimensions"] for entry in infos[0]["dimensionsInfos"]]
    one = emulator.http.get(f"{url}/{infos[0]['quotaId']}", headers={"Authorization": "Bearer x"})
    assert one.json() == infos[0]


def test_gpus_do_not_migrate(emulator: Emulator) -> None:
    for scheduling in ({}, {"onHostMaintenance": "MIGRATE"}):
        status, error = emulator.error("POST", INSTANCES, body(gpu=T4, scheduling=scheduling))
        assert status == 400
        assert error["message"] == ("Instances with guest accelerators do not support live "
                                    "migration.")


def test_spot_does_not_restart(emulator: Emulator) -> None:
    wanted = body(gpu=T4, spot=True)
    wanted["scheduling"]["automaticRestart"] = True
    assert emulator.error("POST", INSTANCES, wanted)[0] == 400


@pytest.mark.parametrize("machine,gpu,gpus,text", [
    ("n1-standard-2", T4, 3, "must be one of [1, 2, 4]"),
    ("n1-standard-2", T4, 8, "must be one of [1, 2, 4]"),
    ("n1-standard-64", T4, 1, "at most 48 vCPUs"),
    ("n1-highmem-64", T4, 2, "at most 48 vCPUs"),
    ("n1-standard-96", "nvidia-l4", 1, "not compatible"),
    ("e2-standard-4", T4, 1, "not compatible"),
    ("g1-small", T4, 1, "not compatible"),
    ("n1-standard-2", "nvidia-tesla-k80", 1, "nvidia-tesla-k80' was not found"),
    ("n1-standard-2", "nvidia-tesla-v100", 1, "nvidia-tesla-v100' was not found"),
    ("g2-standard-99", None, 0, "does not exist in zone")])
def test_what_does_not_fit(emulator: Emulator, machine: str, gpu: str | None, gpus: int,
                           text: str) -> None:
    _, error = emulator.error("POST", INSTANCES, body(machine=machine, gpu=gpu, gpus=gpus))
    assert text in error["message"]


def test_four_t4_allow_96_vcpus(emulator: Emulator) -> None:
    emulator.do("POST", INSTANCES, body(machine="n1-standard-96", gpu=T4, gpus=4))
    emulator.do("POST", INSTANCES, body("w2", machine="custom-6-16384", gpu=T4))


def test_built_in_gpus_show_in_instance_and_type(emulator: Emulator) -> None:
    kind = emulator.get("/zones/us-east1-d/machineTypes/g2-standard-24")
    assert kind["accelerators"] == [{"guestAcceleratorType": "nvidia-l4",
                                     "guestAcceleratorCount": 2}]
    wanted = body(machine="g2-standard-24")
    pd = wanted["disks"][0]["initializeParams"]
    pd["diskType"] = "zones/us-east1-d/diskTypes/pd-standard"
    assert emulator.error("POST", INSTANCES, wanted)[0] == 400
    pd["diskType"] = "zones/us-east1-d/diskTypes/pd-balanced"
    emulator.do("POST", INSTANCES, wanted)
    made = emulator.get(INSTANCES + "/w1")["guestAccelerators"]
    assert made[0]["acceleratorType"].endswith("/nvidia-l4") and made[0]["acceleratorCount"] == 2
    assert quota(emulator, "us-east1", "NVIDIA_L4_GPUS")["usage"] == 2


def test_small_h100_only_as_spot(emulator: Emulator) -> None:
    where = "/zones/us-central1-a/instances"
    wanted = body()
    wanted["machineType"] = "zones/us-central1-a/machineTypes/a3-highgpu-1g"
    status, error = emulator.error("POST", where, wanted)
    assert status == 400 and "SPOT" in error["message"]
    emulator.do("POST", where, {**wanted, "scheduling": body(spot=True)["scheduling"]})


def test_arm_images_need_arm_machines(emulator: Emulator) -> None:
    wanted = body()
    wanted["disks"][0]["initializeParams"]["sourceImage"] = (
        "projects/ubuntu-os-cloud/global/images/family/ubuntu-2404-lts-arm64")
    assert "architecture" in emulator.error("POST", INSTANCES, wanted)[1]["message"]
    emulator.do("POST", INSTANCES, {**wanted, "machineType":
                                    "zones/us-east1-d/machineTypes/t2a-standard-4"})


def test_a_closed_zone(emulator: Emulator) -> None:
    emulator.settings(closed_zones=["us-east1-d"])
    status, error = emulator.error("POST", INSTANCES, body())
    assert status == 403 and "access is unauthorized" in error["message"]
