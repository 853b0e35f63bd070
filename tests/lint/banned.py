# SPDX-License-Identifier: Apache-2.0
"""No call of a banned function (banned.txt). usage: banned.py SOURCE_DIR"""
import pathlib
import re
import sys

# Comments, strings and characters: blanked, so that line numbers stay.
NOT_CODE = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def read_rules():
    rules = {}
    for line in pathlib.Path(__file__).with_name("banned.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            name, where, instead = line.split(None, 2)
            rules[name] = (where, instead)
    return rules


def applies(where, path):
    """gpu/probe/ holds a program for the machines, which has nothing of the library."""
    if path.parts[0] != "libgpucluster" or path.parts[1:3] == ("gpu", "probe"):
        return where == "everywhere"
    return where == "everywhere" or path.parts[1] != "util"


def owned(name, line):
    """A dependency's memory goes back by free; the line then says whose it is."""
    return name == "free" and re.search(r"/\* \w+'s own memory \*/", line)


def main(source):
    rules = read_rules()
    call = re.compile(r"(?<![\w.>])(" + "|".join(rules) + r")\s*\(")
    bad = files = 0
    for folder in ("libgpucluster", "examples", "tests"):
        for full in sorted(pathlib.Path(source, folder).rglob("*.[ch]")):
            path = full.relative_to(source)
            text = full.read_text()
            lines = text.splitlines()
            code = NOT_CODE.sub(lambda m: re.sub(r"[^\n]", " ", m[0]), text)
            files += 1
            for match in call.finditer(code):
                where, instead = rules[match[1]]
                line = code.count("\n", 0, match.start()) + 1
                if applies(where, path) and not owned(match[1], lines[line - 1]):
                    print(f"{path}:{line}: {match[1]} is banned; use {instead}")
                    bad += 1
    print(f"{files} files, {bad} calls of banned functions")
    return 1 if bad or files < 20 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
