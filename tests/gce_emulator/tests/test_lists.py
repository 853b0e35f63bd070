# SPDX-License-Identifier: Apache-2.0
"""Lists: pages, filters, aggregated ones with their warnings."""
from __future__ import annotations

from typing import Any

import pytest
from emu import INSTANCES, Emulator, body

from gce_emulator.filters import FilterError, compile_filter

ITEM = {"name": "w-1", "status": "RUNNING", "labels": {"gpucluster": "a-b", "team": "x"},
        "canIpForward": False, "guestCpus": 8, "scheduling": {"automaticRestart": True},
        "tags": {"items": ["one", "two"]}, "disks": [{"boot": True}]}


@pytest.mark.parametrize("text,found", [
    ("", True), ("labels.gpucluster=a-b", True), ("labels.gpucluster=a", False),
    ('labels.gpucluster="a-b"', True), ("labels.gpucluster:*", True), ("labels.other:*", False),
    ("labels.gpucluster!=a-b", False), ("labels.other!=x", True),
    ("labels.gpucluster=a-b AND status=RUNNING", True), ("(status=RUNNING) (name=w-1)", True),
    ("status=RUNNING name=w-2", False), ("name=w-2 OR name=w-1", True),
    ("NOT name=w-2", True), ("NOT (name=w-1 OR name=w-2)", False),
    ('name eq "w-.*"', True), ('name eq "w"', False), ('name ne "w-.*"', False),
    ('name eq ".*\\bw\\-1\\b.*"', True), ("scheduling.automaticRestart=true", True),
    ("canIpForward=true", False), ("guestCpus>4", True), ("guestCpus<=8", True),
    ("guestCpus>8", False), ("guestCpus=8", True), ("tags.items:one", True),
    ("tags.items:three", False), ("name:w", True), ("labels:team", True)])
def test_filters(text: str, found: bool) -> None:
    assert compile_filter(text)(ITEM) is found


@pytest.mark.parametrize("text", ["name", "name=", "=x", "(name=a", "name=a)", "name eq [", '"'])
def test_bad_filters(text: str) -> None:
    with pytest.raises(FilterError):
        compile_filter(text)


def pages(emulator: Emulator, path: str, **query: str) -> list[dict[str, Any]]:
    found = [emulator.get(path, **query)]
    while "nextPageToken" in found[-1]:
        found.append(emulator.get(path, pageToken=found[-1]["nextPageToken"], **query))
    return found


def test_pages(emulator: Emulator) -> None:
    for number in range(5):
        emulator.start("POST", INSTANCES, body(f"w{number}", labels={"n": str(number % 2)}))
    found = pages(emulator, INSTANCES, maxResults="2")
    assert [len(page["items"]) for page in found] == [2, 2, 1]
    names = [item["name"] for page in found for item in page["items"]]
    assert names == [f"w{number}" for number in range(5)]
    odd = pages(emulator, INSTANCES, maxResults="1", filter="labels.n=1")
    assert [page["items"][0]["name"] for page in odd] == ["w1", "w3"]
    emulator.settings(page_max=3)  # the server may give less than was asked for
    assert len(pages(emulator, INSTANCES)) == 2


@pytest.mark.parametrize("query", [{"maxResults": "501"}, {"pageToken": "?"},
                                   {"filter": "labels.x="}])
def test_bad_questions(emulator: Emulator, query: dict[str, str]) -> None:
    assert emulator.error("GET", INSTANCES, **query)[0] == 400


def test_aggregated_instances(emulator: Emulator) -> None:
    emulator.do("POST", INSTANCES, body(labels={"gpucluster": "a"}))
    found = emulator.get("/aggregated/instances", filter="labels.gpucluster=a",
                         includeAllScopes="true", returnPartialSuccess="true")["items"]
    assert [item["name"] for item in found["zones/us-east1-d"]["instances"]] == ["w1"]
    assert found["zones/us-east1-b"]["warning"]["code"] == "NO_RESULTS_ON_PAGE"
    none = emulator.get("/aggregated/instances", filter="labels.gpucluster=b")["items"]
    assert not [scope for scope in none.values() if "instances" in scope]


def test_lists_may_be_behind(emulator: Emulator) -> None:
    emulator.settings(list_lag_ms=60_000)
    emulator.do("POST", INSTANCES, body())
    assert "items" not in emulator.get(INSTANCES)
    found = emulator.get("/aggregated/instances")["items"]
    assert not [scope for scope in found.values() if "instances" in scope]
    assert emulator.get(INSTANCES + "/w1")["name"] == "w1"
    emulator.settings(list_lag_ms=0)
    assert [item["name"] for item in emulator.get(INSTANCES)["items"]] == ["w1"]


def test_an_unreachable_zone_is_told(emulator: Emulator) -> None:
    emulator.do("POST", INSTANCES, body())
    emulator.settings(unreachable_zones=["us-east1-d"])
    found = emulator.get("/aggregated/instances", returnPartialSuccess="true")
    assert found["items"]["zones/us-east1-d"]["warning"]["code"] == "UNREACHABLE"


def test_aggregated_pages_keep_scopes_apart(emulator: Emulator) -> None:
    found = pages(emulator, "/aggregated/acceleratorTypes", maxResults="7")
    seen = [item["selfLink"] for page in found for scope in page["items"].values()
            for item in scope.get("acceleratorTypes", [])]
    assert len(seen) == len(set(seen)) > 50
    assert all(len(sum((scope.get("acceleratorTypes", []) for scope in page["items"].values()),
                       [])) <= 7 for page in found)


@pytest.mark.parametrize("path", [
    "/zones", "/regions", "/aggregated/machineTypes", "/aggregated/disks", "/aggregated/addresses",
    "/aggregated/operations", "/aggregated/subnetworks", "/aggregated/diskTypes",
    "/zones/us-east1-d/machineTypes", "/zones/us-east1-d/acceleratorTypes",
    "/zones/us-east1-d/diskTypes", "/zones/us-east1-d/disks", "/global/networks",
    "/global/firewalls", "/regions/us-east1/subnetworks", "/regions/us-east1/addresses",
    "/global/operations", "/regions/us-east1/operations", "/zones/us-east1-d/operations"])
def test_every_list_answers_as_described(emulator: Emulator, path: str) -> None:
    assert emulator.get(path)["kind"].lower().endswith("list")


def test_gclouds_filter_for_machine_types(emulator: Emulator) -> None:
    found = emulator.get("/zones/us-east1-d/machineTypes",
                         filter='name eq ".*\\bn1\\-standard\\-2\\b.*"')["items"]
    assert [item["name"] for item in found] == ["n1-standard-2"]


def test_operations_by_the_id_of_their_request(emulator: Emulator) -> None:
    done = emulator.do("POST", INSTANCES, body())
    found = emulator.get("/zones/us-east1-d/operations",
                         filter=f"clientOperationId={done['clientOperationId']}")["items"]
    assert [operation["name"] for operation in found] == [done["name"]]
