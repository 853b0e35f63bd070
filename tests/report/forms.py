# SPDX-License-Identifier: Apache-2.0
"""The report's forms judged by others: JSON and CTRF by jsonschema, JUnit by xmllint and its XSD, the page
by an HTML parser. usage: forms.py SOURCE_DIR CLI [REPORT.json …]; without reports fleets are made up.
Exit status 77: python3-jsonschema or xmllint is missing."""
import base64
import hashlib
import html.parser
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

try:
    import jsonschema
except ImportError:
    for other in ("/usr/bin/python3",):
        if os.path.exists(other) and os.path.realpath(sys.executable) != os.path.realpath(other):
            os.execv(other, [other, "-B"] + sys.argv)
    print("skipped: python3-jsonschema is not installed")
    sys.exit(77)

VOID = {"meta", "link", "input", "br", "img", "hr"}
source, cli = sys.argv[1], sys.argv[2]


def load(path):
    with open(path) as f:
        return json.load(f)


class Page(html.parser.HTMLParser):
    """Tags that open and close as they should, and what the page would load or run."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.loads, self.inline, self.ids, self.text = [], [], [], set(), ""
        self.attributes = []

    def handle_starttag(self, tag, attributes):
        self.attributes += [(tag, k, v) for k, v in attributes]
        for name, value in attributes:
            if name in ("src", "srcset", "action", "data", "poster") or name.startswith("on"):
                self.loads.append((tag, name, value))
            if name == "href" and not value.startswith("#") and value != "data:,":
                self.loads.append((tag, name, value))
            if name == "id":
                assert value not in self.ids, "id %s is there twice" % value
                self.ids.add(value)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, "</%s> closes %s" % (tag, self.open[-3:])
        self.open.pop()

    def handle_data(self, data):
        if self.open and self.open[-1] in ("style", "script"):
            self.inline.append((self.open[-1], data))
        else:
            self.text += data


def check_json(text, report):
    schema = load(source + "/libgpucluster/gpu/report/report.schema.json")
    jsonschema.validate(report, schema, cls=jsonschema.Draft202012Validator)
    assert report["schema"] == schema["$id"]
    counts = {"pass": 0, "warn": 0, "fail": 0, "skip": 0, "not_applicable": 0}
    for m in report["machines"] + [report["fleet"]]:
        for c in m["checks"]:
            counts[c["status"] if c["applies"] else "not_applicable"] += 1
    assert counts == report["counts"]["checks"], (counts, report["counts"])


def check_ctrf(text, report):
    ctrf = json.loads(text)
    jsonschema.validate(ctrf, load(source + "/tests/data/report/ctrf.schema.json"))
    tests, summary = ctrf["results"]["tests"], ctrf["results"]["summary"]
    assert summary["tests"] == len(tests)
    for status in ("passed", "failed", "skipped", "pending", "other"):
        assert summary[status] == sum(t["status"] == status for t in tests), status
    names = [(tuple(t["suite"]), t["name"]) for t in tests]
    assert len(names) == len(set(names)), "two tests have one name"


def check_junit(path, report):
    done = subprocess.run(["xmllint", "--noout", "--nonet", "--schema",
                           source + "/tests/data/report/junit.xsd", path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[:2000]
    with open(path) as f:
        text = f.read()
    assert text.count("<failure ") == report["counts"]["checks"]["fail"]
    assert text.count("<testcase ") == int(re.search(r'<testsuites [^>]* tests="(\d+)"', text).group(1))


def check_html(text, report):
    page = Page()
    page.feed(text)
    page.close()
    assert page.open == [], page.open
    assert page.loads == [], page.loads[:5]
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text).group(1)
    assert policy.startswith("default-src 'none';")
    assert len(page.inline) == 2
    for tag, body in page.inline:
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        assert "%s-src 'sha256-%s'" % (tag, digest) in policy, "%s is not what the policy allows" % tag
    for _, name, value in page.attributes:
        if name == "href" and value.startswith("#"):
            assert value[1:] in page.ids, "%s leads nowhere" % value
    for m in report["machines"]:
        assert m["name"] in page.text
        for c in m["checks"]:
            if c["status"] == "fail":
                assert c["remedy"] in page.text and c["observed"] in page.text, c["id"]


def check_report(name, path, work):
    def form(which, ending):
        out = os.path.join(work, "report" + ending)
        done = subprocess.run([cli, "report", "--from", path, "--output", out], capture_output=True, text=True)
        assert done.returncode in (0, 3, 6), done.stderr
        with open(out) as f:
            return f.read(), out, done.returncode

    text, out, status = form("json", ".json")
    report = json.loads(text)
    checks = report["counts"]["checks"]
    assert status == (3 if checks["fail"] else 6 if checks["skip"] else 0), status
    for which, ending, check in (("JSON", ".json", check_json), ("CTRF", ".ctrf.json", check_ctrf),
                                 ("HTML", ".html", check_html)):
        check(form(which, ending)[0], report)
        print("ok %s: %s" % (name, which))
    check_junit(form("JUnit", ".xml")[1], report)
    print("ok %s: JUnit" % name)


def made_up(work):
    for name, arguments in (("a fleet", ["12", "8"]), ("all well", ["3", "2", "--well"]),
                            ("hostile text", ["3", "2", "--hostile"]), ("no machine", ["0", "0"])):
        path = os.path.join(work, name.replace(" ", "-") + ".in")
        with open(path, "w") as f:
            subprocess.run([sys.executable, "-B", source + "/tests/report/fleet.py", source] + arguments,
                           stdout=f, check=True)
        yield name, path


def main():
    if not shutil.which("xmllint"):
        print("skipped: xmllint is not installed")
        sys.exit(77)
    with tempfile.TemporaryDirectory() as work:
        for name, path in [(p, p) for p in sys.argv[3:]] or made_up(work):
            check_report(name, path, work)


main()
