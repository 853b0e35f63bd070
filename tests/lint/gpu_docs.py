# SPDX-License-Identifier: Apache-2.0
"""docs/checks.md has the tables of gpu/checks.json and gpu/xid.json, word for word.
usage: gpu_docs.py SOURCE_DIR [--write]"""
import json
import pathlib
import re
import sys

NEEDS = {"gpu": "`gpu=true`, `cuda=true`", "cuda": "`cuda=true`", "pod": "`cuda=true`", "fleet": "none"}


def cell(text):
    return text.replace("|", "\\|").replace("\n", " ")


def threshold(check):
    text = check["threshold"]
    for name, value in check.get("limits", {}).items():
        text = text.replace("{%s}" % name, f"{value:g}")
    return text


def checks_table(table):
    rows = ["| check | what passes | limits | holds up | remedy | source |", "|---|---|---|---|---|---|"]
    for check in table["checks"]:
        limits = ", ".join(f"`{n}` {v:g}" for n, v in check.get("limits", {}).items())
        rows.append("| `%s` %s | %s | %s | %s | %s | %s |" % (
            check["id"], cell(check["title"]), cell(threshold(check)), limits or "-",
            NEEDS[check["needs"]], cell(check["remedy"]), cell(check["source"])))
    return rows


def xid_tables(table):
    rows = ["| Xid | what it is | verdict | NVIDIA's immediate action |", "|---|---|---|---|"]
    for xid in table["xids"]:
        verdict = xid["verdict"]
        if "nonfatal" in xid:
            verdict += f", {xid['nonfatal']} when it says nonfatal"
        if xid.get("repeats"):
            verdict += ", warn when it repeats"
        rows.append(f"| {xid['xid']} | {cell(xid['name'])} | {verdict} | {xid['action']} |")
    rows += ["", "| message | check | verdict | remedy |", "|---|---|---|---|"]
    for message in table["messages"]:
        verdict = message["verdict"] + (" until the driver serves the GPU" if message.get("heals") else "")
        rows.append(f"| {cell(message['name'])} | `{message['check']}` | {verdict} | {cell(message['remedy'])} |")
    return rows


def main(source, write):
    source = pathlib.Path(source)
    gpu = source / "libgpucluster/gpu"
    page = source / "docs/checks.md"
    text = page.read_text()
    wanted = text
    for name, rows in (("checks", checks_table(json.loads((gpu / "checks.json").read_text()))),
                       ("xids", xid_tables(json.loads((gpu / "xid.json").read_text())))):
        mark = re.compile(f"(<!-- {name} -->\n).*?(\n<!-- end -->)", re.S)
        if not mark.search(wanted):
            print(f"docs/checks.md has no place for {name}")
            return 1
        body = "\n".join(rows)
        wanted = mark.sub(lambda m: m.group(1) + body + m.group(2), wanted)
    if write:
        page.write_text(wanted)
    elif text != wanted:
        print("docs/checks.md differs from the tables: run tests/lint/gpu_docs.py . --write")
        return 1
    print("docs/checks.md agrees with checks.json and xid.json")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], "--write" in sys.argv))
