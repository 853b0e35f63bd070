# SPDX-License-Identifier: Apache-2.0
"""What the library exports, what the headers declare and what the map names are the same.
usage: exports.py SOURCE_DIR LIBRARY"""
import pathlib
import re
import subprocess
import sys

from headers import functions


def exported(library):
    """{name: version} of the defined dynamic symbols; the versions' own symbols left out."""
    output = subprocess.run(["nm", "-D", "--defined-only", "--with-symbol-versions", library],
                            check=True, capture_output=True, text=True).stdout
    symbols = {}
    for line in output.splitlines():
        kind, _, name = line.split(None, 1)[1].partition(" ")
        name, _, version = name.partition("@")
        if kind != "A":
            symbols[name] = version.lstrip("@")
    return symbols


def mapped(path):
    """{name: node} of the map. A wildcard would hide what is exported by mistake."""
    names = {}
    for node, body in re.findall(r"^(\w[\w.]*)\s*\{(.*?)^\}", path.read_text(), re.M | re.S):
        part = body.split("global:")[1].split("local:")[0]
        for name in re.findall(r"([^\s;]+)\s*;", re.sub(r"/\*.*?\*/", "", part, flags=re.S)):
            if "*" in name:
                sys.exit(f"{path}: \"{name}\" is a pattern; name each function")
            names[name] = node
    return names


def compare(what, one, where, other):
    missing = sorted(set(one) - set(other))
    for name in missing:
        print(f"{name}: {what}, but {where}")
    return len(missing)


def main(source, library):
    declared = {function.name for function in functions(source)}
    in_map = mapped(pathlib.Path(source, "libgpucluster/libgpucluster.map"))
    in_library = exported(library)
    bad = compare("declared in a header", declared, "not in libgpucluster.map", in_map)
    bad += compare("in libgpucluster.map", in_map, "not declared in a header", declared)
    bad += compare("in libgpucluster.map", in_map, "not exported by the library", in_library)
    bad += compare("exported by the library", in_library, "not in libgpucluster.map", in_map)
    for name in sorted(set(in_map) & set(in_library)):
        if in_map[name] != in_library[name]:
            print(f"{name}: exported as {in_library[name]}, but the map says {in_map[name]}")
            bad += 1
    print(f"{len(declared)} functions declared, {len(in_library)} exported, {bad} differences")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
