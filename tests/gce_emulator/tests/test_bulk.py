# SPDX-License-Identifier: Apache-2.0
"""bulkInsert, of a zone and of a region."""
from __future__ import annotations

from typing import Any

import pytest
from emu import INSTANCES, Emulator, body

T4 = "nvidia-tesla-t4"
ZONAL = INSTANCES + "/bulkInsert"
REGIONAL = "/regions/us-east1/instances/bulkInsert"


def bulk(count: int, least: int | None = None, *, gpu: str | None = T4, **more: Any
         ) -> dict[str, Any]:
    wanted: dict[str, Any] = {"count": str(count), "instanceProperties": body(None, gpu=gpu),
                              "namePattern": "b-##", **more}
    if least is not None:
        wanted["minCount"] = str(least)
    return wanted


def status(operation: dict[str, Any], zone: str = "us-east1-d") -> dict[str, Any]:
    found: dict[str, Any] = operation["instancesBulkInsertOperationMetadata"]["perLocationStatus"]
    assert list(found) == [f"zones/{zone}"]
    one: dict[str, Any] = found[f"zones/{zone}"]
    return one


def stock(emulator: Emulator, zone: str, count: int, hidden: bool = False) -> None:
    emulator.admin("POST", "stock", {"zone": zone, "accelerator": T4, "count": count,
                                     "hidden": hidden})


def test_all_at_once(emulator: Emulator) -> None:
    done = emulator.do("POST", ZONAL, bulk(3))
    assert done["operationType"] == "bulkInsert"
    assert status(done) == {"status": "DONE", "targetVmCount": 3, "createdVmCount": 3,
                            "failedToCreateVmCount": 0, "deletedVmCount": 0}
    group = emulator.get("/zones/us-east1-d/operations",
                         filter=f'operationGroupId eq "{done["operationGroupId"]}"')["items"]
    kinds = sorted(operation["operationType"] for operation in group)
    assert kinds == ["bulkInsert", "insert", "insert", "insert"]
    assert emulator.names("us-east1-d") == ["b-01", "b-02", "b-03"]
    emulator.do("POST", ZONAL, bulk(1))
    assert emulator.names("us-east1-d")[-1] == "b-04"


def test_names_of_their_own(emulator: Emulator) -> None:
    wanted = bulk(2, perInstanceProperties={"pa": {}, "pb": {"hostname": "pb.example.com"}})
    assert emulator.error("POST", ZONAL, wanted)[0] == 400  # and a pattern
    del wanted["namePattern"]
    emulator.do("POST", ZONAL, wanted)
    assert emulator.names("us-east1-d") == ["pa", "pb"]
    assert emulator.get(INSTANCES + "/pb")["hostname"] == "pb.example.com"
    assert emulator.fails("POST", ZONAL, wanted)["code"] == "RESOURCE_ALREADY_EXISTS"


def test_all_or_nothing_up_front(emulator: Emulator) -> None:
    stock(emulator, "us-east1-d", 2)
    error = emulator.fails("POST", ZONAL, bulk(3))
    assert error["code"] == "ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS"
    assert emulator.state()["empty"]
    operations = emulator.get("/zones/us-east1-d/operations")["items"]
    assert [operation["operationType"] for operation in operations] == ["bulkInsert"]


def test_fewer_are_enough(emulator: Emulator) -> None:
    stock(emulator, "us-east1-d", 2)
    done = emulator.do("POST", ZONAL, bulk(3, 1))
    assert (status(done)["createdVmCount"], status(done)["failedToCreateVmCount"]) == (2, 1)
    assert emulator.names("us-east1-d") == ["b-01", "b-02"]
    failed = emulator.get("/zones/us-east1-d/operations", filter='operationType="insert"')["items"]
    assert [o["error"]["errors"][0]["code"] for o in failed if "error" in o] == [
        "ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS"]


def test_what_was_made_is_rolled_back(emulator: Emulator) -> None:
    stock(emulator, "us-east1-d", 2, hidden=True)
    emulator.settings(bulk_rollback_ms=1200)
    operation = emulator.start("POST", ZONAL, bulk(3))
    seen = set()
    link = operation["selfLink"].split("projects/my-project")[1]
    while operation["status"] != "DONE":
        operation = emulator.get(link)
        seen.add(status(operation)["status"])
    assert "ROLLING_BACK" in seen
    assert operation["error"]["errors"][0]["code"].startswith("ZONE_RESOURCE_POOL_EXHAUSTED")
    assert (status(operation)["createdVmCount"], status(operation)["deletedVmCount"]) == (2, 2)
    assert emulator.state()["empty"]


def test_one_machine_made_to_fail(emulator: Emulator) -> None:
    emulator.fault(operation="insert", target="/b-02$", times=1,
                   action={"kind": "operation_error", "code": "INTERNAL_ERROR"})
    error = emulator.fails("POST", ZONAL, bulk(3))
    assert error["code"] == "INTERNAL_ERROR" and emulator.state()["empty"]
    emulator.do("POST", ZONAL, bulk(3))


def test_the_whole_made_to_fail_leaves_nothing(emulator: Emulator) -> None:
    emulator.fault(operation="bulkInsert", action={"kind": "operation_error", "code": "X",
                                                   "seconds": 0.1})
    assert emulator.fails("POST", ZONAL, bulk(3))["code"] == "X"
    assert emulator.state()["empty"]


def test_quota_is_checked_up_front(emulator: Emulator) -> None:
    emulator.admin("POST", "quota", {"region": "us-east1", "metric": "NVIDIA_T4_GPUS", "limit": 2})
    assert emulator.fails("POST", ZONAL, bulk(3))["code"] == "QUOTA_EXCEEDED"
    assert emulator.state()["empty"]
    assert emulator.do("POST", ZONAL, bulk(3, 2))


def test_a_region_finds_the_zone(emulator: Emulator) -> None:
    stock(emulator, "us-east1-c", 2)
    done = emulator.do("POST", REGIONAL, bulk(3))  # T4: not in b, too few in c
    assert done["region"].endswith("/regions/us-east1") and "zone" not in done
    assert status(done, "us-east1-d")["createdVmCount"] == 3


def test_a_region_heeds_the_policy(emulator: Emulator) -> None:
    deny = {"locations": {"zones/us-east1-c": {"preference": "DENY"}}}
    assert status(emulator.do("POST", REGIONAL, bulk(1, locationPolicy=deny)), "us-east1-d")
    deny["locations"]["zones/us-east1-d"] = {"preference": "DENY"}
    status_code, error = emulator.error("POST", REGIONAL, bulk(1, locationPolicy=deny))
    assert status_code == 404 and "us-east1-b/acceleratorTypes" in error["message"]


def test_a_region_that_is_full(emulator: Emulator) -> None:
    stock(emulator, "*", 0)
    assert "EXHAUSTED" in emulator.fails("POST", REGIONAL, bulk(2))["code"]
    assert emulator.state()["empty"]


@pytest.mark.parametrize("wanted", [
    bulk(0), bulk(5001), bulk(2, 3), bulk(1, namePattern="none"), bulk(1, namePattern="a#b#")])
def test_bad_requests(emulator: Emulator, wanted: dict[str, Any]) -> None:
    assert emulator.error("POST", ZONAL, wanted)[0] == 400


def test_bulk_insert_is_idempotent_too(emulator: Emulator) -> None:
    number = "3f6f0d1e-9a51-4c1e-8b8b-7f0c3a2d1e00"
    first = emulator.do("POST", ZONAL, bulk(2), requestId=number)
    assert emulator.start("POST", ZONAL, bulk(2), requestId=number)["name"] == first["name"]
    assert len(emulator.names("us-east1-d")) == 2


def test_a_hundred(emulator: Emulator) -> None:
    done = emulator.do("POST", ZONAL, bulk(100, namePattern="b-###"))
    assert status(done)["createdVmCount"] == 100
