# SPDX-License-Identifier: Apache-2.0
"""docs/spec.md has a row for every key of the schema and for no other, with the key's default and
providers. usage: spec_docs.py SOURCE_DIR"""
import json
import pathlib
import re
import sys


def keys(part, path=""):
    """{path: schema part} of every named key."""
    found = {}
    for key, below in part.get("properties", {}).items():
        name = f"{path}.{key}" if path else key
        found[name] = below
        found.update(keys(below, name))
        found.update(keys(below.get("items", {}), name + "[]"))
    return found


def providers(part):
    return ", ".join(sorted(part.get("x-provider", ["all"])))


def problems(name, part, row):
    kinds, default = row[2], row[3]
    inherited = kinds != "all" and "x-provider" not in part  # its mapping belongs to one provider
    if not inherited and ", ".join(sorted(kinds.split(", "))) != providers(part):
        yield f"is for \"{kinds}\", but the schema says \"{providers(part)}\""
    value = part.get("default")
    if value is not None:
        text = value if isinstance(value, str) else json.dumps(value)
        if text not in default:
            yield f"has the default {default or 'nothing'}, but the schema says {text}"


def main(source):
    source = pathlib.Path(source)
    schema = keys(json.loads((source / "libgpucluster/spec/spec.schema.json").read_text()))
    rows = {}
    for line in (source / "docs/spec.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if re.match(r"\| `", line):
            rows[cells[0].strip("`")] = cells
    bad = [f"{name}: in the schema, but has no row" for name in schema if name not in rows]
    bad += [f"{name}: has a row, but is not in the schema" for name in rows if name not in schema]
    for name in sorted(set(rows) & set(schema)):
        if len(rows[name]) != 6:
            bad.append(f"{name}: has {len(rows[name])} cells, not 6")
        else:
            bad += [f"{name} {problem}" for problem in problems(name, schema[name], rows[name])]
    print("\n".join(f"docs/spec.md: {line}" for line in bad))
    print(f"{len(schema)} keys in the schema, {len(rows)} rows, {len(bad)} problems")
    return 1 if bad or len(schema) < 40 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
