# SPDX-License-Identifier: Apache-2.0
"""Clients that are not ours: google-cloud-compute (protobuf over REST), google-api-python-client
(built from the discovery document) and Apache Libcloud."""
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import googleapiclient.discovery
import pytest
from emu import PROJECT, Emulator, body
from google.api_core import exceptions
from google.cloud import compute_v1 as compute
from google.oauth2 import credentials as oauth2
from libcloud.compute.drivers.gce import GCENodeDriver

ZONE, REGION = "us-east1-d", "us-east1"


class Google:
    """google-cloud-compute's clients, at the emulator."""

    def __init__(self, emulator: Emulator) -> None:
        self._root = emulator.where["root"].rstrip("/")

    def __call__(self, kind: Any) -> Any:
        return kind(transport=self._transport(kind))

    def _transport(self, kind: Any) -> Any:
        made = kind.get_transport_class("rest")(
            host=self._root.removeprefix("http://"), url_scheme="http",
            credentials=oauth2.Credentials("test"))
        if "Operations" not in kind.__name__:
            # Those that wait for operations are made on the side, for Google's own host.
            made._extended_operations_services = {
                "zone_operations": self(compute.ZoneOperationsClient),
                "region_operations": self(compute.RegionOperationsClient),
                "global_operations": self(compute.GlobalOperationsClient)}
        return made


@pytest.fixture
def google(emulator: Emulator) -> Google:
    return Google(emulator)


def instance(name: str, **more: Any) -> compute.Instance:
    return compute.Instance.from_json(json.dumps(body(name, gpu="nvidia-tesla-t4", **more)))


def test_google_cloud_compute_insert_get_delete(google: Google, emulator: Emulator) -> None:
    client = google(compute.InstancesClient)
    operation = client.insert(project=PROJECT, zone=ZONE, instance_resource=instance("w1"))
    operation.result(timeout=30)
    made = client.get(project=PROJECT, zone=ZONE, instance="w1")
    assert made.status == "RUNNING" and made.guest_accelerators[0].accelerator_count == 1
    assert made.network_interfaces[0].access_configs[0].nat_i_p
    assert [name for name, scope in client.aggregated_list(project=PROJECT) if scope.instances
            ] == [f"zones/{ZONE}"]
    client.delete(project=PROJECT, zone=ZONE, instance="w1").result(timeout=30)
    with pytest.raises(exceptions.NotFound):
        client.get(project=PROJECT, zone=ZONE, instance="w1")
    assert emulator.state()["empty"]


def test_google_cloud_compute_bulk_in_a_region(google: Google, emulator: Emulator) -> None:
    client = google(compute.RegionInstancesClient)
    properties = compute.InstanceProperties.from_json(json.dumps(body(None, gpu="nvidia-tesla-t4")))
    resource = compute.BulkInsertInstanceResource(
        count=3, min_count=3, name_pattern="b-##", instance_properties=properties)
    operation = client.bulk_insert(project=PROJECT, region=REGION,
                                   bulk_insert_instance_resource_resource=resource)
    operation.result(timeout=30)
    zones = google(compute.ZoneOperationsClient)
    done = google(compute.RegionOperationsClient).get(project=PROJECT, region=REGION,
                                                      operation=operation.name)
    status = done.instances_bulk_insert_operation_metadata.per_location_status
    assert status["zones/us-east1-c"].created_vm_count == 3
    found = zones.list(compute.ListZoneOperationsRequest(
        project=PROJECT, zone="us-east1-c", max_results=2,
        filter=f'operationGroupId eq "{done.operation_group_id}"'))
    assert len(list(found)) == 3
    assert len(emulator.names("us-east1-c")) == 3


def test_google_cloud_compute_sees_operation_errors(google: Google, emulator: Emulator) -> None:
    emulator.admin("POST", "stock", {"zone": ZONE, "accelerator": "nvidia-tesla-t4", "count": 0})
    operation = google(compute.InstancesClient).insert(project=PROJECT, zone=ZONE,
                                                       instance_resource=instance("w1"))
    with pytest.raises(exceptions.ServiceUnavailable):
        operation.result(timeout=30)
    done = google(compute.ZoneOperationsClient).get(project=PROJECT, zone=ZONE,
                                                    operation=operation.name)
    error = done.error.errors[0]
    assert error.code == "ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS"
    assert error.error_details[2].error_info.metadatas["vmType"] == "n1-standard-2"
    emulator.admin("POST", "quota", {"region": REGION, "metric": "NVIDIA_T4_GPUS", "limit": 0})
    operation = google(compute.InstancesClient).insert(project=PROJECT, zone=ZONE,
                                                       instance_resource=instance("w1"))
    with pytest.raises(exceptions.Forbidden):
        operation.result(timeout=30)
    done = google(compute.ZoneOperationsClient).get(project=PROJECT, zone=ZONE,
                                                    operation=operation.name)
    info = done.error.errors[0].error_details[0].quota_info
    assert info.limit_name == "NVIDIA-T4-GPUS-per-project-region" and info.limit == 0


def test_google_cloud_compute_reads_the_rest(google: Google, emulator: Emulator) -> None:
    kinds = google(compute.AcceleratorTypesClient).list(project=PROJECT, zone=ZONE)
    assert {kind.name for kind in kinds} == {"nvidia-tesla-t4", "nvidia-l4"}
    machine = google(compute.MachineTypesClient).get(project=PROJECT, zone=ZONE,
                                                     machine_type="g2-standard-24")
    assert machine.accelerators[0].guest_accelerator_count == 2
    image = google(compute.ImagesClient).get_from_family(
        project="ubuntu-os-cloud", family="ubuntu-2404-lts-amd64")
    assert image.name == "ubuntu-2404-noble-amd64-v20260415"
    quotas = google(compute.RegionsClient).get(project=PROJECT, region=REGION).quotas
    assert "NVIDIA_T4_GPUS" in {quota.metric for quota in quotas}
    project = google(compute.ProjectsClient)
    old = project.get(project=PROJECT).common_instance_metadata
    project.set_common_instance_metadata(project=PROJECT, metadata_resource=compute.Metadata(
        fingerprint=old.fingerprint, items=[{"key": "a", "value": "b"}])).result(timeout=30)
    with pytest.raises(exceptions.PreconditionFailed):
        project.set_common_instance_metadata(
            project=PROJECT, metadata_resource=compute.Metadata(fingerprint=old.fingerprint))


def test_google_cloud_compute_firewalls(google: Google, emulator: Emulator) -> None:
    client = google(compute.FirewallsClient)
    rule = compute.Firewall(name="c-api", network="global/networks/default", allowed=[
        compute.Allowed(I_p_protocol="tcp", ports=["6443"])], target_tags=["c"])
    client.insert(project=PROJECT, firewall_resource=rule).result(timeout=30)
    names = [found.name for found in client.list(project=PROJECT, )]
    assert "c-api" in names and "default-allow-ssh" in names
    client.delete(project=PROJECT, firewall="c-api").result(timeout=30)
    assert emulator.state()["empty"]


def test_google_api_python_client_and_its_batch(emulator: Emulator) -> None:
    service = googleapiclient.discovery.build(
        "compute", "v1", credentials=oauth2.Credentials("test"), static_discovery=True,
        client_options={"api_endpoint": emulator.where["endpoint"]})
    answers: dict[str, Any] = {}
    batch = service.new_batch_http_request(
        callback=lambda number, answer, error: answers.update({number: error or answer}))
    batch._batch_uri = emulator.where["root"] + "batch/compute/v1"
    for name in ("w1", "w2"):
        batch.add(service.instances().insert(project=PROJECT, zone=ZONE, body=body(name)),
                  request_id=name)
    batch.add(service.instances().get(project=PROJECT, zone=ZONE, instance="none"),
              request_id="none")
    batch.execute()
    assert answers["none"].status_code == 404
    for name in ("w1", "w2"):
        service.zoneOperations().wait(project=PROJECT, zone=ZONE,
                                      operation=answers[name]["name"]).execute()
    found = service.instances().list(project=PROJECT, zone=ZONE, maxResults=1)
    names = []
    while found is not None:
        answer = found.execute()
        names += [item["name"] for item in answer["items"]]
        found = service.instances().list_next(found, answer)
    assert names == ["w1", "w2"]


@pytest.fixture
def libcloud(emulator: Emulator, tmp_path: Path) -> Any:
    """Its driver, whose host is a constant."""
    token = tmp_path / "token"
    token.write_text(json.dumps({"access_token": "test", "expire_time": "2100-01-01T00:00:00Z"}))
    source = json.loads(Path(emulator.where["credentials"]["service_account"]).read_text())
    driver = GCENodeDriver(
        source["client_email"], emulator.where["credentials"]["service_account"], project=PROJECT,
        credential_file=str(token), secure=False)
    host, port = emulator.where["root"].removeprefix("http://").rstrip("/").split(":")
    driver.connection.host, driver.connection.port = host, int(port)
    driver.connection.connect(host=host, port=int(port))
    driver.connection.poll_interval = 0.1
    driver.zone = driver.ex_get_zone(ZONE)
    driver.region = driver._get_region_from_zone(driver.zone)
    return driver


def test_libcloud_makes_and_destroys_a_node(libcloud: Any, emulator: Emulator) -> None:
    assert {zone.name for zone in libcloud.ex_list_zones()} >= {ZONE}
    image = libcloud.ex_get_image_from_family("ubuntu-2404-lts-amd64",
                                              ex_project_list=["ubuntu-os-cloud"])
    node = libcloud.create_node(
        "w1", "n1-standard-2", image, location=ZONE, ex_accelerator_type="nvidia-tesla-t4",
        ex_accelerator_count=1, ex_on_host_maintenance="TERMINATE",
        ex_labels={"gpucluster": "a"}, ex_metadata={"items": [{"key": "a", "value": "b"}]})
    assert node.public_ips and node.extra["status"] == "RUNNING"
    assert [found.name for found in libcloud.list_nodes()] == ["w1"]
    assert libcloud.ex_get_serial_output(node)
    assert libcloud.ex_set_node_labels(libcloud.ex_get_node("w1", ZONE), {"x": "y"})
    assert libcloud.destroy_node(libcloud.ex_get_node("w1", ZONE))
    assert emulator.names(ZONE) == []
