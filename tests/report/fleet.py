# SPDX-License-Identifier: Apache-2.0
"""Makes up the report of a fleet, SIMULATED, as gpuc_report_to_json writes it: most GPUs are well, one
in a hundred has uncorrected memory errors, one machine has another driver, one cannot be read.
usage: fleet.py SOURCE_DIR MACHINES GPUS [--hostile] [--well] [--details FILE] >report.json
FILE: what `gpucluster gpu parse --json` says, whose first GPU's fields every GPU then has."""
import json
import sys

HOSTILE = "</td></script><script>document.title='owned'</script><img src=x onerror=alert(1)>\"'&amp;"


def checks_table(source):
    with open(source + "/libgpucluster/gpu/checks.json") as f:
        return json.load(f)["checks"]


def ids(table):
    """Those of the machine, those of a GPU."""
    per_gpu = ("gpu.lost", "gpu.recovery", "mem.", "mode.", "cuda.", "thermal.", "pcie.", "perf.",
               "nvlink", "idle.", "fabric")
    known = [row["id"] for row in table if not row["id"].startswith("fleet.")]
    gpu = [i for i in known if i.startswith(per_gpu)]
    return [i for i in known if i not in gpu], gpu


def check(row, status="pass", gpu=None, observed="as it should be", evidence=None, applies=True):
    skipped = status == "skip"
    return {"id": row["id"], "title": row["title"], "status": status, "applies": applies, "gpu": gpu,
            "observed": None if skipped else observed, "threshold": row["threshold"],
            "source": row["source"], "reason": observed if skipped else None,
            "remedy": None if status in ("pass", "skip") else row["remedy"], "evidence": evidence}


def links(gpus):
    names = ["GPU%d" % i for i in range(gpus)] + ["NIC0"]
    pairs = [{"from": a, "to": b, "link": "NV18" if "NIC0" != b else "SYS"}
             for i, a in enumerate(names) for b in names[i + 1:]]
    return {"devices": names, "links": pairs,
            "affinity": [{"device": "GPU%d" % i, "cpus": "0-55" if i < gpus / 2 else "56-111",
                          "numa": "0" if i < gpus / 2 else "1"} for i in range(gpus)]}


def gpu_checks(rows, per_gpu, number, ref, bandwidth):
    for name in per_gpu:
        if name == "mem.ecc.unc" and number % 100 == 34:
            yield check(rows[name], "fail", ref, "3",
                        "ecc_errors/volatile/sram_uncorrectable_parity: 3")
        elif name == "mode.compute" and number % 250 == 7:
            yield check(rows[name], "warn", ref, "Exclusive_Process")
        elif name == "gpu.recovery":
            yield check(rows[name], "skip", ref, "this GPU or driver does not report it", applies=False)
        elif name == "cuda.compute":
            yield check(rows[name], "pass", ref, "0 wrong words in 3 x 256 MiB, %.1f GB/s" % bandwidth)
        else:
            yield check(rows[name], "pass", ref)


def machine(at, gpus, rows, split, hostile, well, details):
    name = "gpu-%03d" % at
    bad = not well
    gone = bad and at == 5
    m = {"name": name, "verdict": "pass", "simulated": True, "started": "2026-11-29T23:40:%02dZ" % (at % 60),
         "finished": "2026-11-29T23:42:%02dZ" % (at % 60), "driver": None if gone else
         "570.172.08" if bad and at == 3 else "580.95.05", "cuda": None if gone else "13.0",
         "kernel": "6.1.0-40-amd64", "gpus": [], "topology": None if gone else links(gpus), "checks": []}
    for name in split[0]:
        failed = gone and name in ("smi.run", "gpu.count")
        m["checks"].append(check(rows[name], "fail" if failed else "pass",
                                 observed="no end of nvidia-smi's answer within the deadline"
                                 if failed else "as it should be"))
    for i in range(0 if gone else gpus):
        ref = {"index": i, "uuid": "GPU-%08x-0000-4000-8000-%012x" % (at, i),
               "bus": "0000:%02x:00.0" % (16 + i), "mig": None}
        m["gpus"].append({"index": i, "uuid": ref["uuid"], "bus": ref["bus"],
                          "product": "NVIDIA H100 80GB HBM3", "memory_mib": 81559,
                          "memory_gbs": 2900.5 + at % 7 + i, "nvidia_smi": details})
        m["checks"] += gpu_checks(rows, split[1], -1 if well else at * gpus + i, ref, 2900.5 + at % 7 + i)
    if hostile:
        m["name"] = HOSTILE + str(at)
        m["driver"] = HOSTILE
        for c in m["checks"][-3:]:
            c.update(status="fail", observed=HOSTILE, remedy=HOSTILE, evidence=HOSTILE + "\x1b[31m",
                     threshold=HOSTILE, reason=None, applies=True)
        for g in m["gpus"]:
            g["product"] = HOSTILE
    return m


def main():
    source, machines, gpus = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    details = {"vbios": "96.00.A5.00.03"}
    if "--details" in sys.argv:
        with open(sys.argv[sys.argv.index("--details") + 1]) as f:
            details = json.load(f)["gpus"][0]["nvidia_smi"]
    table = checks_table(source)
    rows = {row["id"]: row for row in table}
    fleet = [machine(i, gpus, rows, ids(table), "--hostile" in sys.argv, "--well" in sys.argv, details)
             for i in range(machines)]
    json.dump({"cluster": "lab", "machines": fleet}, sys.stdout)


main()
