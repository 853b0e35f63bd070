#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What submitting a job, waiting for it and reading its log costs over the time that the cluster needs.

    jobs.py CLI JOB_RUN KUBECTL CLUSTER NODE

CLI is the gpucluster command and JOB_RUN the program of job_run.c, of a release build; the state of the
cluster is where XDG_STATE_HOME says. An independent watch tells when each Job was added and complete; the
overhead is the client's wall time less the time between the two. Methods take turns; ROUNDS (10).
"""
import base64, http.client, json, os, re, ssl, statistics, subprocess, sys, tempfile, threading, time

CLI, JOB_RUN, KUBECTL, CLUSTER, NODE = sys.argv[1:6]
ROUNDS = int(os.environ.get("ROUNDS", "10"))
NAMESPACE = "gpuc-bench-jobs"
IMAGE = ""
added, complete = {}, {}


def watch(config):
    """Job names to the times when they were added and complete, as they come."""
    field = lambda key: base64.b64decode(re.search(key + r": *\"?([A-Za-z0-9+/=]+)", config).group(1))
    host = re.search(r"server: *\"?https://([^\s\"]+)", config).group(1)
    folder = tempfile.mkdtemp()
    for name, key in (("ca", "certificate-authority-data"), ("cert", "client-certificate-data"),
                      ("key", "client-key-data")):
        with open(folder + "/" + name, "wb") as f:
            f.write(field(key))
    context = ssl.create_default_context(cafile=folder + "/ca")
    context.load_cert_chain(folder + "/cert", folder + "/key")
    connection = http.client.HTTPSConnection(host, context=context)
    connection.request("GET", "/apis/batch/v1/namespaces/%s/jobs?watch=1&timeoutSeconds=3600" % NAMESPACE)
    for line in connection.getresponse():
        now = time.monotonic()
        event = json.loads(line)
        name = event["object"]["metadata"]["name"]
        if event["type"] == "ADDED":
            added.setdefault(name, now)
        for condition in event["object"].get("status", {}).get("conditions", []):
            if condition["type"] == "Complete" and condition["status"] == "True":
                complete.setdefault(name, now)


def measured(*commands):
    """Runs them in turn; (wall ms, CPU ms of them, the last one's output)."""
    begin, cpu, out = time.monotonic(), 0, ""
    for command in commands:
        p = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        out = p.stdout.read()
        p.stderr.read()
        _, status, usage = os.wait4(p.pid, 0)
        p.returncode = status
        cpu += usage.ru_utime + usage.ru_stime
    return (time.monotonic() - begin) * 1000, cpu * 1000, out


def cluster_ms(fragment):
    """Of the job whose name holds the fragment; waits a little for the watch."""
    for _ in range(100):
        for name in complete:
            if fragment in name:
                return (complete[name] - added[name]) * 1000
        time.sleep(0.05)
    return None


def library_process(_):
    wall, cpu, out = measured([CLI, "--json", "run", "nvidia-smi", "-c", CLUSTER, "--set", "node=" + NODE, "--set",
                               "namespace=" + NAMESPACE, "--set", "gpus=0", "--set", "cleanup=never", "--set",
                               'command=["echo","hello"]'])
    result = json.loads(out)
    lines = sum(p["lines"] for p in result["pods"])
    return wall, cpu, lines == 1, cluster_ms(result["run"])


def kubectl(i):
    name = "k%d-%d" % (os.getpid(), i)
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name, "namespace": NAMESPACE},
           "spec": {"backoffLimit": 0, "template": {"spec": {
               "restartPolicy": "Never", "nodeSelector": {"kubernetes.io/hostname": NODE},
               "tolerations": [{"operator": "Exists"}],
               "containers": [{"name": "c", "image": IMAGE, "command": ["echo", "hello"]}]}}}}
    with open(tempfile.gettempdir() + "/" + name, "w") as f:
        json.dump(job, f)
    base = [KUBECTL, "--kubeconfig", CONFIG, "-n", NAMESPACE]
    wall, cpu, out = measured(base + ["create", "-f", f.name],
                              base + ["wait", "--for=condition=complete", "--timeout=60s", "job/" + name],
                              base + ["logs", "job/" + name])
    os.unlink(f.name)
    return wall, cpu, out == "hello\n", cluster_ms(name)


class Kept:
    """One process for all rounds: its jobs run one after the other, so it takes its turns at the end."""

    @staticmethod
    def run():
        rows = []
        _, _, out = measured([JOB_RUN, CLUSTER, NODE, NAMESPACE, str(ROUNDS + 1)])
        for line in out.splitlines():
            run, wall, cpu, lines = line.split()
            rows.append((float(wall), float(cpu), lines == "1", cluster_ms(run)))
        return rows


def tell(name, rows):
    over = [wall - cluster for wall, _, _, cluster in rows if cluster is not None]
    print("| %s | %d | %.0f | %.0f | %.0f | %.0f | %.1f | %d/%d |" % (
        name, len(rows), statistics.median(r[0] for r in rows), statistics.median(r[3] or 0 for r in rows),
        statistics.median(over), max(over), statistics.median(r[1] for r in rows), sum(r[2] for r in rows), len(rows)))


config = subprocess.run([CLI, "kubeconfig", CLUSTER], capture_output=True, text=True, check=True).stdout
CONFIG = tempfile.mktemp()
with open(os.open(CONFIG, os.O_CREAT | os.O_WRONLY, 0o600), "w") as f:
    f.write(config)
KC = [KUBECTL, "--kubeconfig", CONFIG]
IMAGE = [n for i in json.loads(subprocess.run(KC + ["get", "node", NODE, "-o", "json"], capture_output=True).stdout)
         ["status"]["images"] for n in i["names"] if n.startswith("nvcr.io/nvidia/cuda:")][0]
subprocess.run(KC + ["create", "namespace", NAMESPACE], capture_output=True)
time.sleep(2)  # its service account
threading.Thread(target=watch, args=(config,), daemon=True).start()
time.sleep(1)
try:
    methods = {"gpucluster run, a process per job": library_process, "kubectl create, wait, logs": kubectl}
    rows = {name: [] for name in methods}
    for round_ in range(ROUNDS):
        for name, method in methods.items():
            rows[name].append(method(round_))
    kept = Kept.run()
    print("| client | jobs | wall ms | cluster ms | overhead ms | worst | CPU ms/job | logs |\n|---|---|---|---|---|---|---|---|")
    for name in methods:
        tell(name, rows[name])
    tell("library, first job of a process", kept[:1])
    tell("library, later jobs of the process", kept[1:])
    ours, theirs = (rows[n] for n in methods)
    print("CPU to the library, median of rounds: kubectl %.1f" % statistics.median(t[1] / o[1] for o, t in zip(ours, theirs)))
    print("load average", os.getloadavg())
finally:
    subprocess.run(KC + ["delete", "namespace", NAMESPACE, "--wait=false"], capture_output=True)
    os.unlink(CONFIG)
