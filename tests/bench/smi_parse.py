# SPDX-License-Identifier: Apache-2.0
"""The Python side of smi_parse.sh: makes a document, times Python's readers, prints the summary."""
import statistics
import sys
import time
import xml.etree.ElementTree as ElementTree
import xml.parsers.expat

BYTES_PER_ROUND = 8 * 1024 * 1024

GPU = """\t<gpu id="00000000:{bus:02X}:00.0">
\t\t<product_name>NVIDIA Example 80GB</product_name>
\t\t<uuid>GPU-00000000-0000-4000-8000-{bus:012d}</uuid>
\t\t<pci><pci_bus_id>00000000:{bus:02X}:00.0</pci_bus_id></pci>
\t\t<fb_memory_usage>
\t\t\t<total>81559 MiB</total>
\t\t\t<used>0 MiB</used>
\t\t</fb_memory_usage>
\t\t<ecc_errors><volatile>
\t\t\t<sram_uncorrectable>0</sram_uncorrectable>
\t\t\t<dram_uncorrectable>0</dram_uncorrectable>
\t\t</volatile></ecc_errors>
\t\t<temperature><gpu_temp>31 C</gpu_temp></temperature>
\t\t<supported_clocks>
{clocks}\t\t</supported_clocks>
\t\t<processes>
\t\t</processes>
\t</gpu>
"""


def make(path):
    clocks = "".join(
        f"\t\t\t\t<supported_graphics_clock>{mhz} MHz</supported_graphics_clock>\n"
        for mhz in range(1980, 345, -5))
    body = "".join(GPU.format(bus=bus, clocks=clocks) for bus in range(1, 9))
    with open(path, "w", encoding="ascii") as out:
        out.write('<?xml version="1.0" ?>\n<!DOCTYPE nvidia_smi_log SYSTEM "nvsmi_device_v13.dtd">\n'
                  "<nvidia_smi_log>\n\t<driver_version>580.1.2</driver_version>\n"
                  "\t<attached_gpus>8</attached_gpus>\n" + body + "</nvidia_smi_log>\n")


def with_expat(data):
    parser = xml.parsers.expat.ParserCreate()
    seen = [0]

    def start(_name, _attributes):
        seen[0] += 1

    parser.StartElementHandler = start
    parser.EndElementHandler = lambda _name: None
    parser.CharacterDataHandler = lambda _text: None
    parser.Parse(data, True)
    assert seen[0]


def with_tree(data):
    assert ElementTree.fromstring(data).find("gpu") is not None


def measure(data):
    for name, parse in (("python-elementtree", with_tree), ("python-expat", with_expat)):
        times = BYTES_PER_ROUND // len(data) + 1
        start = time.process_time()
        for _ in range(times):
            parse(data)
        print(name, f"{times * len(data) / (time.process_time() - start) / 1e6:.1f}", flush=True)


def summary(size):
    rates = {}
    for line in sys.stdin:
        name, rate = line.split()
        rates.setdefault(name, []).append(float(rate))
    print(f"document of {size} bytes, {len(rates['library'])} rounds\n")
    print("| reader | MB/s | to the library |\n|---|---|---|")
    for name, values in sorted(rates.items(), key=lambda item: -statistics.median(item[1])):
        ratio = statistics.median(v / k for v, k in zip(values, rates["library"]))
        print(f"| {name} | {statistics.median(values):.1f} | {ratio:.2f} |")


if sys.argv[1] == "--make":
    make(sys.argv[2])
elif sys.argv[1] == "--summary":
    summary(int(sys.argv[2]))
else:
    with open(sys.argv[1], "rb") as document:
        measure(document.read())
