# SPDX-License-Identifier: Apache-2.0
"""The Python side of verify_fleet.sh: makes the hosts' answers, measures a client, counts a report."""
import json
import os
import resource
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree


def answers(directory, document):
    """What gpu_host.sh gives: the look's sections and the probe's lines for the GPUs of the document."""
    with open(document, encoding="utf-8") as file:
        text = file.read()
    root = ElementTree.fromstring(text)
    buses = [gpu.get("id")[-12:].lower() for gpu in root.findall("gpu")]
    driver = root.findtext("driver_version")
    sections = [
        ("facts", "kernel=6.8.0\nboot_id=00000000-0000-4000-8000-000000000001\npython3=/usr/bin/python3"),
        ("pci", "\n".join(f"{bus} 0x10de 0x2330 0x030200 nvidia" for bus in buses)),
        ("version", f"NVRM version: NVIDIA UNIX x86_64 Kernel Module  {driver}  x"),
        ("modules", "nvidia 1 0\nnvidia_uvm 1 0"),
        ("modinfo", driver),
        ("smi", text),
        ("smi_errors", ""),
        ("nodes", "\n".join([f"/dev/nvidia{i}" for i in range(len(buses))]
                            + ["/dev/nvidiactl", "/dev/nvidia-uvm"])),
    ]
    with open(os.path.join(directory, "collect"), "w", encoding="utf-8") as out:
        for name, body in sections:
            out.write(f"==nonce123 begin {name}\n{body}\n\n==nonce123 end {name} 0\n")
        out.write("==nonce123 done\n")
    with open(os.path.join(directory, "probe"), "w", encoding="utf-8") as out:
        out.write(json.dumps({"event": "start", "runner": "python3", "devices": len(buses)}) + "\n")
        for gpu, bus in zip(root.findall("gpu"), buses):
            out.write(json.dumps({"event": "gpu", "device": gpu.findtext("uuid"), "bus": bus,
                                  "status": "pass", "mismatches": 0, "host_mismatches": 0,
                                  "gbs": 2500.5, "theoretical_gbs": 3352.3, "mib": 256}) + "\n")
        out.write(json.dumps({"event": "end"}) + "\n")
    with open(os.path.join(directory, "xml"), "w", encoding="utf-8") as out:
        out.write(text)


def measure(hosts, output, command):
    """CPU ms for each host, wall seconds, peak MiB of the largest process, exit status."""
    begun = time.monotonic()
    with open(output, "wb") as out, open(output + ".err", "wb") as err:
        status = subprocess.call(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
    wall = time.monotonic() - begun
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"{(used.ru_utime + used.ru_stime) * 1000 / int(hosts):.3f} {wall:.3f} "
          f"{used.ru_maxrss / 1024:.1f} {status}")


def count(report):
    """Machines, machines that failed, GPUs and checks of a report of the library's."""
    with open(report, encoding="utf-8") as file:
        root = json.load(file)
    machines = root.get("report", root)["machines"]
    print(len(machines), sum(m["verdict"] == "fail" for m in machines),
          sum(len(m["gpus"]) for m in machines), sum(len(m["checks"]) for m in machines))


if __name__ == "__main__":
    {"--answers": answers, "--count": count,
     "--measure": lambda *a: measure(a[0], a[1], a[2:])}[sys.argv[1]](*sys.argv[2:])
