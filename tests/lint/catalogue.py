# SPDX-License-Identifier: Apache-2.0
"""The tables of Google Compute Engine: each part says where it is from and of which date, and its rows
agree with each other. usage: catalogue.py SOURCE_DIR"""
import json
import pathlib
import re
import sys

YEAR = re.compile(r"\b20[0-9]{2}(-[01][0-9](-[0-3][0-9])?)?\b")
WAYS = {"standard", "spot", "reservation"}


def sourced(name, part):
    if len(part.get("source", "")) < 10:
        yield f"{name} lacks its source"
    if not YEAR.search(part.get("date", "")):
        yield f"{name} lacks its date, or has \"{part.get('date')}\""


def names(table, part, key="name"):
    return [row[key] for row in table[part]["list"]]


def twice(table, part, key="name"):
    seen = names(table, part, key)
    for name in sorted({one for one in seen if seen.count(one) > 1}):
        yield f"{part} has {name} twice"


def machine_types(table):
    known = set(names(table, "accelerators"))
    for row in table["machine_types"]["list"]:
        if row["vcpus"] <= 0 or row["memory_gb"] <= 0:
            yield f"{row['name']} has no size"
        if ("accelerator" in row) != ("gpus" in row):
            yield f"{row['name']} has GPUs without a name, or the other way round"
        if row.get("accelerator", "nvidia-l4") not in known:
            yield f"{row['name']} has {row['accelerator']}, which no row of accelerators has"
        if not set(row.get("obtain", ["spot"])) <= WAYS or row.get("obtain") == []:
            yield f"{row['name']} can be had as {row['obtain']}"


def accelerators(table):
    carried = {row.get("accelerator") for row in table["machine_types"]["list"]}
    for row in table["accelerators"]["list"]:
        if not row.get("quota") and not row.get("family"):
            yield f"{row['name']} counts in no quota"
        if bool(row.get("attach")) == (row["name"] in carried):
            yield f"{row['name']} is neither attached nor carried by a type, or both"
    for part, key in (("zones", "accelerator"), ("attach_exceptions", "accelerator")):
        for name in names(table, part, key):
            if name not in names(table, "accelerators"):
                yield f"{part} has {name}, which no row of accelerators has"


def replacements(table):
    live = set(names(table, "accelerators")) | set(names(table, "images", "family"))
    for row in table["retired"]["list"]:
        if row["instead"] not in live or row["name"] in live:
            yield f"{row['name']} is retired for {row['instead']}, which is no better"
    for use, family in table["images"]["defaults"].items():
        if family not in live:
            yield f"the default image for {use} is {family}, which is not in the list"


def prices(table):
    for row in table["prices"]["machines"]:
        if not any(name.startswith(row["prefix"]) for name in names(table, "machine_types")):
            yield f"a price is for {row['prefix']}, which no machine type begins with"
    lists = [(f"{row['prefix']} {unit}", row[unit])
             for row in table["prices"]["machines"] for unit in ("vcpu", "gb") if unit in row]
    lists += table["prices"]["accelerators"].items()
    for name, regions in lists:
        for region, pair in regions.items():
            if len(pair) != 2 or any(p is not None and not 0 < p < 100 for p in pair):
                yield f"the price of {name} in {region} is {pair}"
            # Where spot seems dearer, one of the two is the price of something else.
            elif None not in pair and pair[1] >= pair[0]:
                yield f"{name} in {region} is dearer as spot: {pair}"


def main(source):
    folder = pathlib.Path(source, "libgpucluster/provider/gce")
    table = json.loads((folder / "catalogue.json").read_text())
    permissions = json.loads((folder / "permissions.json").read_text())
    found = [*sourced("permissions.json", permissions)]
    for name, part in table.items():
        if name != "about":
            found += sourced(name, part)
    for check in (machine_types, accelerators, replacements, prices):
        found += check(table)
    for part, key in (("accelerators", "name"), ("machine_types", "name"), ("series", "name"),
                      ("images", "family"), ("zones", "accelerator"), ("retired", "name")):
        found += twice(table, part, key)
    for one in found:
        print(f"catalogue: {one}")
    print(f"{len(table) - 1} parts, {len(found)} problems")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
