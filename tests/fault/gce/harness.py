# SPDX-License-Identifier: Apache-2.0
"""An emulator and a client for each scenario. The client is the gpucluster command; every step but
those of the provider is skipped, so that what remains is requests."""
from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import tempfile
import threading
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
CLI = os.environ.get("GPUC_CLI", str(ROOT / "build/release/examples/cli/gpucluster"))
PROVIDER_STEPS = {"cloud.shared", "machine.create"}
ZONES = ("us-east1-d", "us-east1-c")
SPEC = """apiVersion: gpucluster/v1
name: k
provider: {kind: gce, project: my-project, zones: [us-east1-d, us-east1-c]}
ssh: {user: ubuntu, project_key: true}
machines:
  - {name: master, role: control-plane, machine_type: n1-standard-2}
  - {name: gpu, role: worker, count: 3, machine_type: n1-standard-2, accelerator: {type: nvidia-tesla-t4, count: 1}}
expose: [{port: 6443, from: [203.0.113.0/24]}]
"""
MACHINES = ["k-gpu-1", "k-gpu-2", "k-gpu-3", "k-master"]


def skips() -> list[str]:
    steps = json.loads((ROOT / "libgpucluster/recipe/recipe.json").read_text())["steps"]
    return [word for step in steps if step["id"] not in PROVIDER_STEPS
            for word in ("--skip", step["id"])]


def ask(admin: str, name: str, body: Any = None) -> Any:
    """Of an emulator's own endpoints."""
    request = urllib.request.Request(admin + name, None if body is None else json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


class Emulator:
    """A process that scenarios of the same options use one after the other: starting one costs more
    than a whole up and down."""

    _idle: dict[tuple[str, ...], list[Emulator]] = {}
    _lock = threading.Lock()

    def __init__(self, options: tuple[str, ...]) -> None:
        self._options = options
        self._process = subprocess.Popen([ROOT / "tests/gce_emulator/emulator", "--latency", "20", *options],
                                         stdout=subprocess.PIPE, text=True)
        atexit.register(self.end)
        assert self._process.stdout
        self.where = json.loads(self._process.stdout.readline())
        self._settings = ask(self.where["admin"], "settings")

    @classmethod
    def take(cls, options: tuple[str, ...]) -> Emulator:
        with cls._lock:
            idle = cls._idle.setdefault(options, [])
            if idle:
                return idle.pop()
        return cls(options)

    def give_back(self) -> None:
        """As it was at the beginning; one whose files a test may have changed is not used again."""
        if "--credentials" in self._options:
            self.end()
            return
        ask(self.where["admin"], "reset", {})
        ask(self.where["admin"], "settings", self._settings)
        with self._lock:
            self._idle[self._options].append(self)

    def end(self) -> None:
        self._process.terminate()
        self._process.wait()


class Scenario:
    """Used with `with`: a folder, an emulator for itself, and the environment of its client."""

    def __init__(self, *options: str, spec: str = SPEC) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="gpuc-gce-")
        self.dir = Path(self._folder.name)
        (self.dir / "spec.yaml").write_text(spec)
        (self.dir / "token").write_text("simulated-token")
        self._emulator = Emulator.take(options)
        self.where = self._emulator.where
        self.env = {**os.environ, "XDG_STATE_HOME": str(self.dir / "state"),
                    "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE": self.where["endpoint"],
                    "CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDRESOURCEMANAGER": self.where["root"],
                    "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE": str(self.dir / "token")}
        for name in ("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CLOUD_PROJECT", "LD_PRELOAD"):
            self.env.pop(name, None)

    def __enter__(self) -> Scenario:
        return self

    def __exit__(self, *_: object) -> None:
        self._emulator.give_back()
        self._folder.cleanup()

    def admin(self, name: str, body: Any = None) -> Any:
        return ask(self.where["admin"], name, body)

    def get(self, path: str) -> Any:
        request = urllib.request.Request(self.where["endpoint"] + path,
                                         headers={"Authorization": "Bearer simulated-token"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def client(self, *words: str, env: dict[str, str] | None = None,
               timeout: float = 400) -> tuple[int, str]:
        done = subprocess.run([CLI, *words], env={**self.env, **(env or {})}, text=True,
                              capture_output=True, timeout=timeout)
        return done.returncode, done.stdout + done.stderr

    def up(self, **options: Any) -> tuple[int, str]:
        return self.client("--json", "up", str(self.dir / "spec.yaml"), "--no-proof", *skips(),
                           **options)

    def down(self, **options: Any) -> tuple[int, str]:
        return self.client("--json", "down", "k", "--yes", **options)

    # --- judgement
    def instances(self) -> list[str]:
        held = self.admin("state")["projects"]["my-project"]["instances"]
        return sorted(instance["name"] for instance in held)

    def made_twice(self) -> list[str]:
        """Names for which more than one insert has succeeded, in any zone."""
        made: list[str] = []
        for zone in ZONES:
            answer = self.get(f"projects/my-project/zones/{zone}/operations")
            made += [entry["targetLink"].rpartition("/")[2] for entry in answer.get("items", [])
                     if entry["operationType"] == "insert" and "error" not in entry]
        return sorted({name for name in made if made.count(name) > 1})

    def left(self) -> str:
        """What the emulator still holds; empty when nothing."""
        state = self.admin("state")
        left = state["left"]["my-project"]
        if state["empty"] and not left["metadata"] and not state["violations"]:
            return ""
        return json.dumps({"left": left, "violations": state["violations"]})


def report(name: str, problem: str) -> bool:
    """One counted line."""
    if problem:
        print(f"FAIL {name}: " + problem.strip().replace("\n", "\n    ")[:3000], flush=True)
    else:
        print(f"ok {name}", flush=True)
    return not problem


def error_of(out: str) -> dict[str, Any]:
    """The error that the command's JSON names; {} when there is none."""
    for line in out.splitlines():
        if line.startswith('{"error"'):
            return dict(json.loads(line)["error"])
    try:
        return dict(json.loads(out[out.index("{"):]).get("error") or {})
    except (ValueError, AttributeError):
        return {}


def workers() -> int:
    return int(os.environ.get("JOBS", "8"))


if __name__ == "__main__":
    sys.exit("imported by kill.py and answers.py")
