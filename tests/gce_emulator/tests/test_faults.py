# SPDX-License-Identifier: Apache-2.0
"""Every fault that can be injected does what it says; and batch requests."""
from __future__ import annotations

import time
import uuid
from typing import Any

import pytest
import requests
from emu import INSTANCES, PROJECT, Emulator, body

INSERT = {"method": "POST", "path": "/instances$|/instances\\?"}


def test_a_status_with_reason_and_retry_after_once(emulator: Emulator) -> None:
    emulator.fault(**INSERT, times=1, action={"kind": "status", "status": 429,
                                              "retry_after": "2"})
    answer = emulator.call("POST", INSTANCES, body())
    assert answer.status_code == 429 and answer.headers["Retry-After"] == "2"
    assert answer.json()["error"]["errors"][0]["reason"] == "rateLimitExceeded"
    emulator.do("POST", INSTANCES, body())


def test_the_second_and_the_fourth(emulator: Emulator) -> None:
    emulator.fault(method="GET", path="/zones$", nth=[2, 4],
                   action={"kind": "status", "status": 503})
    assert [emulator.call("GET", "/zones").status_code for _ in range(5)] == [
        200, 503, 200, 503, 200]
    assert emulator.admin("GET", "faults")["faults"][0]["fired"] == 2


def test_answers_that_are_not_googles(emulator: Emulator) -> None:
    emulator.fault(path="/zones$", times=1, action={"kind": "status", "status": 502,
                                                    "raw": "<html>Bad Gateway</html>"})
    answer = emulator.call("GET", "/zones")
    assert answer.status_code == 502 and answer.text.startswith("<html>")
    emulator.fault(path="/zones$", times=1, action={"kind": "invalid_json"})
    with pytest.raises(requests.exceptions.JSONDecodeError):
        emulator.call("GET", "/zones").json()


def test_a_truncated_answer(emulator: Emulator) -> None:
    emulator.fault(path="/zones$", times=1, action={"kind": "truncate", "at": 100})
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        emulator.call("GET", "/zones")


def test_a_huge_answer(emulator: Emulator) -> None:
    emulator.fault(path="/zones$", times=1, action={"kind": "huge", "bytes": 3 << 20})
    assert len(emulator.call("GET", "/zones").content) > 3 << 20


def test_silence(emulator: Emulator) -> None:
    emulator.fault(path="/zones$", times=1, action={"kind": "hang", "seconds": 30})
    with pytest.raises(requests.exceptions.ReadTimeout):
        emulator.call("GET", "/zones", timeout=0.3)
    emulator.fault(path="/zones$", times=1, action={"kind": "slow", "seconds": 0.3})
    start = time.monotonic()
    assert emulator.call("GET", "/zones").status_code == 200 and time.monotonic() - start > 0.3


@pytest.mark.parametrize("kind,there", [("reset_before", False), ("reset_after", True)])
def test_a_reset_before_and_after_the_effect(emulator: Emulator, kind: str, there: bool) -> None:
    emulator.fault(**INSERT, times=1, action={"kind": kind})
    number = str(uuid.uuid4())
    with pytest.raises(requests.exceptions.ConnectionError):
        emulator.call("POST", INSTANCES, body(), requestId=number)
    assert bool(emulator.names("us-east1-d")) is there
    emulator.do("POST", INSTANCES, body(), requestId=number)  # the same id: no second machine
    inserts = emulator.get("/zones/us-east1-d/operations")["items"]
    assert len(inserts) == 1


def test_an_operation_that_fails(emulator: Emulator) -> None:
    details = [{"errorInfo": {"reason": "stockout", "domain": "compute.googleapis.com"}}]
    emulator.fault(operation="insert", target="/w1$", times=1, action={
        "kind": "operation_error", "code": "ZONE_RESOURCE_POOL_EXHAUSTED", "status": 503,
        "message": "none left", "details": details})
    operation = emulator.wait(emulator.start("POST", INSTANCES, body()))
    assert operation["error"]["errors"] == [
        {"code": "ZONE_RESOURCE_POOL_EXHAUSTED", "message": "none left", "errorDetails": details}]
    assert operation["httpErrorStatusCode"] == 503
    assert emulator.state()["empty"]


def test_a_delete_that_fails_leaves_the_machine(emulator: Emulator) -> None:
    emulator.do("POST", INSTANCES, body())
    emulator.fault(operation="delete", times=1, action={"kind": "operation_error",
                                                        "code": "RESOURCE_IN_USE"})
    assert emulator.fails("DELETE", INSTANCES + "/w1")["code"] == "RESOURCE_IN_USE"
    assert emulator.get(INSTANCES + "/w1")["status"] == "RUNNING"


def test_a_slow_operation_and_an_early_wait(emulator: Emulator) -> None:
    emulator.settings(wait_limit=0.05)
    emulator.fault(operation="insert", action={"kind": "latency", "seconds": 1.5})
    operation = emulator.start("POST", INSTANCES, body())
    link = operation["selfLink"].split("projects/my-project")[1]
    assert emulator.call("POST", link + "/wait").json()["status"] != "DONE"
    assert emulator.wait(operation)["status"] == "DONE"


def test_the_rate_quota(emulator: Emulator) -> None:
    emulator.settings(rate_per_minute=3)
    answers = [emulator.call("GET", "/zones") for _ in range(8)]  # a minute may end in between
    refused = [answer for answer in answers if answer.status_code == 403]
    assert refused and answers[0].status_code == 200
    error = refused[0].json()["error"]["errors"][0]
    assert error["reason"] == "rateLimitExceeded" and error["domain"] == "usageLimits"
    emulator.settings(rate_per_minute=0)


def test_rights_and_services(emulator: Emulator) -> None:
    emulator.settings(denied_permissions=["compute.instances.create"])
    status, error = emulator.error("POST", INSTANCES, body())
    assert status == 403 and "'compute.instances.create'" in error["message"]
    url = emulator.where["root"] + f"v1/projects/{PROJECT}"
    token = {"Authorization": "Bearer x"}
    asked = ["compute.instances.create", "compute.instances.list"]
    answer = emulator.http.post(url + ":testIamPermissions", json={"permissions": asked},
                                headers=token).json()
    assert answer == {"permissions": ["compute.instances.list"]}
    service = url + "/services/compute.googleapis.com"
    assert emulator.http.get(service, headers=token).json()["state"] == "ENABLED"
    emulator.settings(api_disabled=True)
    assert emulator.http.get(service, headers=token).json()["state"] == "DISABLED"
    answer = emulator.call("GET", "/zones")
    assert answer.json()["error"]["errors"][0]["reason"] == "accessNotConfigured"
    assert answer.json()["error"]["details"][0]["reason"] == "SERVICE_DISABLED"


@pytest.mark.parametrize("rule", [
    {"path": "x"}, {"action": {"kind": "none"}}, {"action": {"kind": "hang"}, "colour": 1},
    {"operation": "insert", "action": {"kind": "hang"}},
    {"path": "(", "action": {"kind": "hang"}}])
def test_bad_rules_are_refused(emulator: Emulator, rule: dict[str, Any]) -> None:
    answer = emulator.http.post(emulator.where["admin"] + "faults", json=rule)
    assert answer.status_code == 400


def batch(emulator: Emulator, *parts: str) -> str:
    text = "".join(f"--=B=\r\nContent-Type: application/http\r\nContent-ID: <u+{n}>\r\n\r\n{part}"
                   "\r\n" for n, part in enumerate(parts)) + "--=B=--\r\n"
    answer = emulator.http.post(emulator.where["root"] + "batch/compute/v1", data=text.encode(),
                                headers={"Authorization": "Bearer x", "Content-Type":
                                         'multipart/mixed; boundary="=B="'})
    assert answer.status_code == 200, answer.text
    return answer.text


def test_a_batch_and_a_fault_in_one_part(emulator: Emulator) -> None:
    emulator.fault(path="/zones/us-east1-c$", action={"kind": "status", "status": 503})
    path = f"/compute/v1/projects/{PROJECT}/zones/us-east1-"
    text = batch(emulator, *(f"GET {path}{letter}?alt=json HTTP/1.1\r\nHost: x\r\n\r\n"
                             for letter in "bcz"))
    assert [line for line in text.split("\r\n") if line.startswith(("HTTP/", "Content-ID"))] == [
        "Content-ID: <response-u+0>", "HTTP/1.1 200 OK", "Content-ID: <response-u+1>",
        "HTTP/1.1 503 Service Unavailable", "Content-ID: <response-u+2>",
        "HTTP/1.1 400 Bad Request"]
    assert [entry["batchPart"] for entry in emulator.log()] == [False, True, True, True]


@pytest.mark.violations
def test_what_google_does_not_describe_is_refused(emulator: Emulator) -> None:
    for wanted in (body(colour="red"), body(canIpForward="yes"),
                   {**body(), "scheduling": {"onHostMaintenance": "PERHAPS"}}):
        status, error = emulator.error("POST", INSTANCES, wanted)
        assert status == 400 and "not what the API describes" in error["message"]
    assert emulator.error("GET", "/zones", colour="red")[0] == 400
    assert len(emulator.state()["violations"]) == 4
