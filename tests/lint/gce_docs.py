# SPDX-License-Identifier: Apache-2.0
"""The table of docs/gce.md of what differs from gcloud's requests is tests/data/gce/differences.json,
which the unit tests hold the library to. usage: gce_docs.py SOURCE_DIR [--print]"""
import json
import pathlib
import sys

HEAD = ["| field | request | gcloud | here | why |", "|---|---|---|---|---|"]


def wanted(source):
    table = json.loads((source / "tests/data/gce/differences.json").read_text())
    return HEAD + [f"| `{row['path']}` | {', '.join(row['requests'])} | {row['gcloud']} | {row['here']} "
                   f"| {row['why']} |" for row in table["rows"]]


def main(source, *options):
    source = pathlib.Path(source)
    table = wanted(source)
    if options:
        print("\n".join(table))
        return 0
    lines = (source / "docs/gce.md").read_text().splitlines()
    start = lines.index(HEAD[0]) if HEAD[0] in lines else len(lines)
    found = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        found.append(line)
    bad = [f"lacks: {row}" for row in table if row not in found]
    bad += [f"has, but the data has not: {row}" for row in found if row not in table]
    if not bad and found != table:
        bad = ["has the rows in another order than the data"]
    print("\n".join(f"docs/gce.md: {line}" for line in bad))
    print(f"{len(table) - 2} rows, {len(bad)} problems")
    return 1 if bad or len(table) < 12 else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
