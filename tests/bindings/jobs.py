# SPDX-License-Identifier: Apache-2.0
"""Jobs through the SWIG module, on a cluster that is up: one on each node, a manifest, and the same
cluster as one that the library did not make."""
import json
import os
import tempfile

import native as g
from support import caught, check, finish

MANIFEST = """apiVersion: v1
kind: ConfigMap
metadata: {name: words}
data: {word: hello}
---
apiVersion: batch/v1
kind: Job
metadata: {name: says}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      nodeSelector: {gpu: "true"}
      containers:
      - name: says
        image: IMAGE
        command: [sh, -c, "echo $WORD from Python; exit 3"]
        env: [{name: WORD, valueFrom: {configMapKeyRef: {name: words, key: word}}}]
"""


def lines_of(job):
    """All that wait, as (node, line)."""
    lines = []
    while True:
        found, line, node = g.gpuc_job_next_line(job)
        if not found:
            return lines
        lines.append((node, line))


def refused(context, cluster):
    kind = caught(g.gpuc_job_new, cluster, "nvidia")
    _, job = g.gpuc_job_new(cluster, "nvidia-smi")
    key = caught(g.gpuc_job_set, job, "nodes", "gpu-1")
    node = caught(g.gpuc_job_set, job, "node", "gpu-77")
    _, manifest = g.gpuc_job_new_manifest(cluster)
    text = "kind: [\n"
    yaml = caught(g.gpuc_job_add_text, manifest, text, len(text), "bad.yaml")
    _, absent = g.gpuc_job_new_kubeconfig(context, "/nonexistent/kubeconfig", "nvidia-smi")
    kubeconfig = caught(g.gpuc_job_start, absent)
    return check("a wrong job is an exception", kind[0] == key[0] == g.GPUC_EINVAL
                 and "nvidia-smi" in kind[1] + kind[2].get("remedy", "")
                 and node[0] == g.GPUC_ENOTFOUND and yaml[1].startswith("bad.yaml:")
                 and kubeconfig[0] == g.GPUC_ENOTFOUND, str((kind, key, node, yaml, kubeconfig)))


def on_each_node(context, job, name):
    """A job of nvidia-smi, its lines and results."""
    _, op = g.gpuc_job_start(job)
    again = caught(g.gpuc_job_start, job)
    finish(context, op)
    lines = lines_of(job)
    pods = json.loads(g.gpuc_job_to_json(job))["pods"]
    nodes = {p["node"] for p in pods}
    return check(name, again[0] == g.GPUC_ESTATE and pods and {n for n, _ in lines} == nodes
                 and all(p["exit_code"] == 0 and p["lines"] > 5 for p in pods)
                 and sum(p["lines"] for p in pods) == len(lines), str((nodes, len(lines))))


def manifest(cluster):
    text = MANIFEST.replace("IMAGE", os.environ["GPUC_TEST_IMAGE"])
    _, job = g.gpuc_job_new_manifest(cluster)
    g.gpuc_job_add_text(job, text, len(text), "says.yaml")
    failed = caught(g.gpuc_job_run, job)
    lines = lines_of(job)
    pod = json.loads(g.gpuc_job_to_json(job))["pods"][0]
    return check("a manifest runs, and its end is an exception with the reason",
                 failed[0] == g.GPUC_EREMOTE and "3" in failed[1] and pod["exit_code"] == 3
                 and [line for _, line in lines] == ["hello from Python"], str((failed, lines)))


def by_kubeconfig(context, cluster):
    _, text = g.gpuc_cluster_kubeconfig(cluster, None)
    with tempfile.NamedTemporaryFile("w", suffix=".kubeconfig") as file:
        file.write(text)
        file.flush()
        _, job = g.gpuc_job_new_kubeconfig(context, file.name, "nvidia-smi")
        g.gpuc_job_set(job, "per", "node")
        return on_each_node(context, job, "nvidia-smi on each node that a kubeconfig shows")


def walk(context, cluster):
    _, job = g.gpuc_job_new(cluster, "nvidia-smi")
    held = refused(context, cluster)
    held &= on_each_node(context, job, "nvidia-smi on each GPU machine")
    held &= manifest(cluster)
    return held & by_kubeconfig(context, cluster)
