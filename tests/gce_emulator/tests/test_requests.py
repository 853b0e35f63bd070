# SPDX-License-Identifier: Apache-2.0
"""Single requests: the life of an instance, request ids, fingerprints, refusals."""
from __future__ import annotations

import uuid

import pytest
from emu import INSTANCES, Emulator, body


def test_an_instance_lives_and_goes(emulator: Emulator) -> None:
    emulator.settings(latency_ms=800)
    operation = emulator.start("POST", INSTANCES, body(gpu="nvidia-tesla-t4"))
    assert (operation["operationType"], operation["status"]) == ("insert", "PENDING")
    assert operation["zone"].endswith("/zones/us-east1-d") and operation["clientOperationId"]
    assert emulator.get(INSTANCES + "/w1")["status"] in ("PROVISIONING", "STAGING")
    assert emulator.wait(operation)["progress"] == 100
    instance = emulator.get(INSTANCES + "/w1")
    assert instance["status"] == "RUNNING"
    assert instance["networkInterfaces"][0]["networkIP"]
    assert instance["networkInterfaces"][0]["accessConfigs"][0]["natIP"]
    assert instance["selfLink"].startswith("https://www.googleapis.com/compute/v1/")
    assert operation["targetId"] == instance["id"]
    disk = emulator.get("/zones/us-east1-d/disks/w1")
    assert (disk["sizeGb"], disk["users"]) == ("20", [instance["selfLink"]])
    assert not emulator.state()["empty"]
    emulator.do("DELETE", INSTANCES + "/w1")
    assert emulator.error("GET", INSTANCES + "/w1")[0] == 404
    assert emulator.state()["empty"]


def test_a_repeated_request_id_gives_the_same_operation(emulator: Emulator) -> None:
    number = str(uuid.uuid4())
    first = emulator.start("POST", INSTANCES, body(), requestId=number)
    emulator.wait(first)
    again = emulator.start("POST", INSTANCES, body(), requestId=number)
    assert (again["name"], again["status"]) == (first["name"], "DONE")
    assert emulator.error("POST", INSTANCES, body(), requestId=str(uuid.uuid4()))[0] == 409
    gone = str(uuid.uuid4())
    emulator.do("DELETE", INSTANCES + "/w1", requestId=gone)
    assert emulator.start("DELETE", INSTANCES + "/w1", requestId=gone)["status"] == "DONE"
    assert emulator.error("DELETE", INSTANCES + "/w1")[0] == 404


def test_a_refused_request_does_not_use_its_id_up(emulator: Emulator) -> None:
    number = str(uuid.uuid4())
    wrong = body(machine="n1-standard-3")
    assert emulator.error("POST", INSTANCES, wrong, requestId=number)[0] == 400
    emulator.do("POST", INSTANCES, body(), requestId=number)


@pytest.mark.parametrize("number", ["00000000-0000-0000-0000-000000000000", "x"])
def test_request_ids_are_checked(emulator: Emulator, number: str) -> None:
    status, error = emulator.error("POST", INSTANCES, body(), requestId=number)
    assert status == 400 and "requestId" in error["message"]


def test_a_request_id_is_for_one_body(emulator: Emulator) -> None:
    number = str(uuid.uuid4())
    emulator.do("POST", INSTANCES, body(), requestId=number)
    assert emulator.error("POST", INSTANCES, body("w2"), requestId=number)[0] == 400


@pytest.mark.parametrize("method,key,value", [
    ("setLabels", "labels", {"a": "b"}), ("setTags", "items", ["a"]),
    ("setMetadata", "items", [{"key": "a", "value": "b"}])])
def test_changes_need_the_fingerprint(emulator: Emulator, method: str, key: str,
                                      value: object) -> None:
    emulator.do("POST", INSTANCES, body())
    instance = emulator.get(INSTANCES + "/w1")
    name = "labelFingerprint" if method == "setLabels" else "fingerprint"
    part = {"setLabels": instance, "setTags": instance["tags"],
            "setMetadata": instance["metadata"]}[method]
    path = f"{INSTANCES}/w1/{method}"
    for wrong in ({}, {name: "AAAAAAAAAAA="}):
        status, error = emulator.error("POST", path, {key: value, **wrong})
        assert (status, error["reason"]) == (412, "conditionNotMet")
    emulator.do("POST", path, {key: value, name: part[name]})
    assert emulator.error("POST", path, {key: value, name: part[name]})[0] == 412
    after = emulator.get(INSTANCES + "/w1")
    assert (after if method == "setLabels" else after[method[3:].lower()])[key] == value


def test_project_metadata_is_replaced_as_a_whole(emulator: Emulator) -> None:
    path = "/setCommonInstanceMetadata"
    old = emulator.get("")["commonInstanceMetadata"]["fingerprint"]
    items = [{"key": "ssh-keys", "value": "a:ssh-ed25519 AAAA"}]
    done = emulator.do("POST", path, {"fingerprint": old, "items": items})
    assert "zone" not in done and "/global/operations/" in done["selfLink"]
    status, error = emulator.error("POST", path, {"fingerprint": old, "items": []})
    assert (status, error["reason"]) == (412, "conditionNotMet")
    now = emulator.get("")["commonInstanceMetadata"]
    assert now["items"] == items
    emulator.do("POST", path, {"fingerprint": now["fingerprint"]})
    assert "items" not in emulator.get("")["commonInstanceMetadata"]


def test_deletion_protection(emulator: Emulator) -> None:
    emulator.do("POST", INSTANCES, body(deletionProtection=True))
    status, error = emulator.error("DELETE", INSTANCES + "/w1")
    assert status == 400 and "protected against deletion" in error["message"]
    emulator.do("POST", INSTANCES + "/w1/setDeletionProtection", deletionProtection="false")
    emulator.do("DELETE", INSTANCES + "/w1")


def test_a_disk_that_stays(emulator: Emulator) -> None:
    wanted = body(deletionProtection=False)
    wanted["disks"].append({"autoDelete": False, "initializeParams": {
        "diskName": "data", "diskSizeGb": "50", "labels": {"gpucluster": "a"}}})
    emulator.do("POST", INSTANCES, wanted)
    assert emulator.error("DELETE", "/zones/us-east1-d/disks/data")[1]["reason"] == (
        "resourceInUseByAnotherResource")
    emulator.do("DELETE", INSTANCES + "/w1")
    assert emulator.state()["left"]["my-project"]["disks"] == ["us-east1-d/data"]
    found = emulator.get("/aggregated/disks", filter="labels.gpucluster=a")["items"]
    assert [disk["name"] for disk in found["zones/us-east1-d"]["disks"]] == ["data"]
    emulator.do("DELETE", "/zones/us-east1-d/disks/data")
    assert emulator.state()["empty"]


def test_a_machine_is_deleted_while_it_is_made(emulator: Emulator) -> None:
    operation = emulator.start("POST", INSTANCES, body())
    emulator.do("DELETE", INSTANCES + "/w1")
    emulator.wait(operation)
    assert emulator.state()["empty"]


def test_a_name_is_not_ready_while_its_machine_goes(emulator: Emulator) -> None:
    emulator.do("POST", INSTANCES, body())
    emulator.settings(latency_ms=800)
    gone = emulator.start("DELETE", INSTANCES + "/w1")
    assert emulator.error("POST", INSTANCES, body())[1]["reason"] == "resourceNotReady"
    emulator.wait(gone)
    emulator.do("POST", INSTANCES, body())


def test_stop_and_start(emulator: Emulator) -> None:
    emulator.do("POST", INSTANCES, body())
    emulator.do("POST", INSTANCES + "/w1/stop")
    assert emulator.get(INSTANCES + "/w1")["status"] == "TERMINATED"
    emulator.do("POST", INSTANCES + "/w1/start")
    assert emulator.get(INSTANCES + "/w1")["status"] == "RUNNING"


def test_a_run_limit_deletes(emulator: Emulator) -> None:
    scheduling = {"onHostMaintenance": "TERMINATE", "maxRunDuration": {"seconds": "20"}}
    assert emulator.error("POST", INSTANCES, body(scheduling=scheduling))[0] == 400
    scheduling["maxRunDuration"] = {"seconds": "30"}
    assert emulator.error("POST", INSTANCES, body(scheduling=scheduling))[0] == 400  # no action
    emulator.do("POST", INSTANCES, body(
        scheduling={**scheduling, "instanceTerminationAction": "DELETE"}))


def test_spot_machines_are_taken_back(emulator: Emulator) -> None:
    emulator.do("POST", INSTANCES, body(gpu="nvidia-tesla-t4", spot=True))
    emulator.admin("POST", "preempt", {"project": "my-project", "zone": "us-east1-d",
                                       "name": "w1"})
    found = emulator.get("/zones/us-east1-d/operations",
                         filter='operationType="compute.instances.preempted"')["items"]
    emulator.wait(found[0])
    assert emulator.state()["empty"]


def test_firewall_rules(emulator: Emulator) -> None:
    rule = {"name": "c-api", "network": "global/networks/default", "direction": "INGRESS",
            "allowed": [{"IPProtocol": "tcp", "ports": ["6443"]}], "targetTags": ["c"]}
    emulator.do("POST", "/global/firewalls", rule)
    assert emulator.error("POST", "/global/firewalls", rule)[1]["reason"] == "alreadyExists"
    made = emulator.get("/global/firewalls/c-api")
    assert made["sourceRanges"] == ["0.0.0.0/0"] and made["priority"] == 1000
    emulator.do("PATCH", "/global/firewalls/c-api", {"sourceRanges": ["203.0.113.0/24"]})
    assert emulator.get("/global/firewalls/c-api")["sourceRanges"] == ["203.0.113.0/24"]
    bad = {**rule, "name": "other", "sourceRanges": ["1.2.3.4/99"]}
    assert emulator.error("POST", "/global/firewalls", bad)[0] == 400
    assert not emulator.state()["empty"]
    emulator.do("DELETE", "/global/firewalls/c-api")
    assert emulator.state()["empty"]


def test_guest_attributes_need_the_metadata_key(emulator: Emulator) -> None:
    emulator.do("POST", INSTANCES, body())
    path = INSTANCES + "/w1/getGuestAttributes"
    status, error = emulator.error("GET", path, queryPath="hostkeys/")
    assert status == 404 and "'hostkeys/' of type 'Guest Attribute'" in error["message"]
    on = {"items": [{"key": "enable-guest-attributes", "value": "TRUE"}]}
    emulator.do("POST", INSTANCES, body("w2", metadata=on))
    value = emulator.get(INSTANCES + "/w2/getGuestAttributes", queryPath="hostkeys/")["queryValue"]
    assert [item["key"] for item in value["items"]] == ["ssh-ed25519"]


def test_the_serial_console_goes_on_where_it_was_left(emulator: Emulator) -> None:
    emulator.do("POST", INSTANCES, body())
    first = emulator.get(INSTANCES + "/w1/serialPort", port="1")
    assert "SIMULATED" in first["contents"] and first["start"] == "0"
    rest = emulator.get(INSTANCES + "/w1/serialPort", port="1", start=first["next"])
    assert rest["contents"] == "" and rest["next"] == first["next"]


@pytest.mark.parametrize("path,status,text", [
    ("/zones/us-nowhere1-a/instances", 400, "Unknown zone"),
    ("/zones/us-east1-d/instances/none", 404, "was not found"),
    ("/global/images/family/ubuntu-1604-lts", 404, "was not found"),
    ("/zones/us-east1-d/acceleratorTypes/nvidia-tesla-k80", 404, "was not found")])
def test_what_is_not_there(emulator: Emulator, path: str, status: int, text: str) -> None:
    got, error = emulator.error("GET", path)
    assert got == status and text in error["message"]


def test_no_token_no_answer(emulator: Emulator) -> None:
    answer = emulator.http.get(f"{emulator.where['endpoint']}projects/my-project")
    assert answer.status_code == 401 and "SIMULATED" in answer.headers["Server"]
    assert answer.json()["error"]["status"] == "UNAUTHENTICATED"


def test_the_log_has_request_ids_and_bodies_but_no_tokens(emulator: Emulator) -> None:
    emulator.do("POST", INSTANCES, body())
    entry = emulator.log("POST", "/instances$")[0]
    assert entry["requestId"] and entry["body"]["name"] == "w1" and entry["status"] == 200
    emulator.call("GET", "", token="very-secret")
    assert "very-secret" not in str(emulator.log())
