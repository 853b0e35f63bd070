# SPDX-License-Identifier: Apache-2.0
"""N equal machines with Apache Libcloud, at the emulator. In the environment of
tests/gce_emulator/venv. usage: libcloud_nodes.py ROOT_URL KEY_FILE PROJECT ZONE N"""
from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from libcloud.compute.drivers.gce import GCENodeDriver


def main(root: str, key_file: str, project: str, zone: str, count: str) -> int:
    with tempfile.TemporaryDirectory() as folder:
        token = Path(folder) / "token"
        token.write_text(json.dumps({"access_token": "simulated-token",
                                     "expire_time": "2100-01-01T00:00:00Z"}))
        account = json.loads(Path(key_file).read_text())["client_email"]
        driver = GCENodeDriver(account, key_file, project=project, credential_file=str(token),
                               secure=False)
        host, port = root.removeprefix("http://").rstrip("/").split(":")
        driver.connection.host, driver.connection.port = host, int(port)
        driver.connection.connect(host=host, port=int(port))
        driver.zone = driver.ex_get_zone(zone)
        driver.region = driver._get_region_from_zone(driver.zone)
        image = driver.ex_get_image_from_family("ubuntu-2404-lts-amd64",
                                                ex_project_list=["ubuntu-os-cloud"])
        nodes = driver.ex_create_multiple_nodes("w", "n1-standard-2", image, int(count),
                                                location=zone, ignore_errors=False, timeout=1800)
        return 0 if all(node.extra["status"] == "RUNNING" for node in nodes) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
