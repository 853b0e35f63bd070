# SPDX-License-Identifier: Apache-2.0
"""The emulator as the tests see it: its process, its admin endpoints, plain HTTP."""
from __future__ import annotations

import json
import subprocess
import uuid
from pathlib import Path
from typing import Any

import requests

HERE = Path(__file__).resolve().parent.parent
PROJECT = "my-project"
Json = dict[str, Any]


class Emulator:
    def __init__(self, folder: Path, *words: str) -> None:
        self._process = subprocess.Popen(
            ["/usr/bin/python3", "-B", str(HERE / "emulator"), "--latency", "40",
             "--credentials", str(folder / "credentials"), "--log", str(folder / "log"), *words],
            stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.where: Json = json.loads(self._process.stdout.readline())
        self.http = requests.Session()

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(10)

    def admin(self, verb: str, name: str, body: Any = None, **query: str) -> Any:
        answer = self.http.request(verb, self.where["admin"] + name, json=body, params=query,
                                   timeout=20)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def reset(self) -> None:
        self.admin("POST", "reset")

    def settings(self, **values: Any) -> None:
        self.admin("POST", "settings", values)

    def fault(self, **rule: Any) -> None:
        self.admin("POST", "faults", rule)

    def state(self) -> Json:
        found: Json = self.admin("GET", "state")
        return found

    def log(self, method: str = "", path: str = "") -> list[Json]:
        found: list[Json] = self.admin("GET", "log", None, method=method, path=path)["entries"]
        return found

    def call(self, method: str, path: str, body: Any = None, *, token: str = "test",
             timeout: float = 20, **query: str) -> requests.Response:
        """A request below projects/my-project/."""
        return self.http.request(
            method, f"{self.where['endpoint']}projects/{PROJECT}{path}", json=body, params=query,
            headers={"Authorization": f"Bearer {token}"}, timeout=timeout)

    def get(self, path: str, **query: str) -> Json:
        answer = self.call("GET", path, **query)
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    def error(self, method: str, path: str, body: Any = None, **query: str) -> tuple[int, Json]:
        """Status and first error of a request that is refused."""
        answer = self.call(method, path, body, **query)
        assert answer.status_code >= 400, answer.text
        return answer.status_code, answer.json()["error"]["errors"][0]

    def start(self, method: str, path: str, body: Any = None, **query: str) -> Json:
        """A mutation; its operation as first answered."""
        query.setdefault("requestId", str(uuid.uuid4()))
        answer = self.call(method, path, body, **query)
        assert answer.status_code == 200, answer.text
        operation: Json = answer.json()
        assert operation["kind"] == "compute#operation"
        return operation

    def wait(self, operation: Json) -> Json:
        link = operation["selfLink"].split(f"projects/{PROJECT}")[1]
        while operation["status"] != "DONE":
            operation = self.call("POST", link + "/wait", timeout=60).json()
        return operation

    def do(self, method: str, path: str, body: Any = None, **query: str) -> Json:
        """A mutation that must succeed."""
        done = self.wait(self.start(method, path, body, **query))
        assert "error" not in done, done
        return done

    def fails(self, method: str, path: str, body: Any = None, **query: str) -> Json:
        """A mutation whose operation must fail: its error."""
        done = self.wait(self.start(method, path, body, **query))
        assert done["httpErrorStatusCode"] >= 400 and done["httpErrorMessage"], done
        error: Json = done["error"]["errors"][0]
        return error

    def names(self, zone: str) -> list[str]:
        return [item["name"] for item in self.get(f"/zones/{zone}/instances").get("items", [])]


def body(name: str | None = "w1", *, machine: str = "n1-standard-2", gpu: str | None = None,
         gpus: int = 1, spot: bool = False, external: bool = True, **more: Any) -> Json:
    """An instance as the library asks for one."""
    interface: Json = {"network": "global/networks/default"}
    if external:
        interface["accessConfigs"] = [{"name": "external-nat", "type": "ONE_TO_ONE_NAT"}]
    image = "projects/ubuntu-os-cloud/global/images/family/ubuntu-2404-lts-amd64"
    made: Json = {
        "machineType": f"zones/us-east1-d/machineTypes/{machine}", "networkInterfaces": [interface],
        "disks": [{"boot": True, "autoDelete": True,
                   "initializeParams": {"sourceImage": image, "diskSizeGb": "20"}}],
        "serviceAccounts": [{"email": "default", "scopes": [
            "https://www.googleapis.com/auth/cloud-platform"]}],
        "scheduling": {"onHostMaintenance": "TERMINATE", "automaticRestart": True}}
    if name is not None:
        made["name"] = name
    else:
        made["machineType"] = machine
    if gpu:
        made["guestAccelerators"] = [{"acceleratorCount": gpus, "acceleratorType":
                                      f"zones/us-east1-d/acceleratorTypes/{gpu}" if name else gpu}]
    if spot:
        made["scheduling"] = {"onHostMaintenance": "TERMINATE", "automaticRestart": False,
                              "preemptible": True, "provisioningModel": "SPOT",
                              "instanceTerminationAction": "DELETE"}
    return {**made, **more}


INSTANCES = "/zones/us-east1-d/instances"
