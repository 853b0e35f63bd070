# SPDX-License-Identifier: Apache-2.0
"""Files and functions stay small. sizes.allow names exceptions. usage: sizes.py SOURCE_DIR"""
import pathlib
import subprocess
import sys

FUNCTION_LINES = 80
COMPLEXITY = 15


def file_limit(path):
    """Lines that a file may have, and what it is."""
    if path.parts[0] == "include":
        return 400, "public header"
    if path.parts[0] == "tests" and path.parts[1] != "bed":  # the bed's programs are no tests
        return 350, "test file"
    return (150, "private header") if path.suffix == ".h" else (800, "source file")


def read_allowed():
    allowed = {}
    for line in pathlib.Path(__file__).with_name("sizes.allow").read_text().splitlines():
        if line and not line.startswith("#"):
            name, _, reason = line.partition(" ")
            if not reason.strip():
                sys.exit(f"sizes.allow: {name} has no reason")
            allowed[name] = reason
    return allowed


def large_files(source, paths):
    for path in paths:
        limit, kind = file_limit(path)
        lines = (source / path).read_text().count("\n")
        if lines > limit:
            yield str(path), f"{lines} lines; the limit of a {kind} is {limit}"


def large_functions(source, paths):
    output = subprocess.run(["pmccabe"] + [str(p) for p in paths if p.suffix == ".c"], cwd=source,
                            check=True, capture_output=True, text=True).stdout
    for line in output.splitlines():
        complexity, _, _, _, lines, place = line.split(None, 5)
        path, _, name = place.partition("(")
        name = f"{path}:{name.partition('): ')[2]}"
        if int(lines) > FUNCTION_LINES:
            yield name, f"{lines} lines; a function has at most {FUNCTION_LINES}"
        if int(complexity) > COMPLEXITY:
            yield name, f"complexity {complexity}; a function has at most {COMPLEXITY}"


def main(source):
    source = pathlib.Path(source)
    paths = [p.relative_to(source) for folder in ("include", "libgpucluster", "examples", "tests")
             for p in sorted((source / folder).rglob("*.[ch]"))]
    allowed = read_allowed()
    found = list(large_files(source, paths)) + list(large_functions(source, paths))
    bad = [(name, what) for name, what in found if name not in allowed]
    stale = set(allowed) - {name for name, _ in found}
    for name, what in bad:
        print(f"{name}: {what}")
    for name in sorted(stale):
        print(f"sizes.allow: {name} is within the limits; remove it")
    print(f"{len(paths)} files, {len(bad)} too large, {len(allowed)} allowed")
    return 1 if bad or stale or len(paths) < 50 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
