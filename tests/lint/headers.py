# SPDX-License-Identifier: Apache-2.0
"""The public functions, as the headers declare them: shared by the checks of this folder."""
import pathlib
import re

DECLARATION = re.compile(r"^GPUC_API\s+(?P<type>[^;(]*?)(?P<name>gpuc_\w+)\s*\((?P<params>[^;]*)\)\s*;",
                         re.M)


class Function:
    def __init__(self, path, text, match):
        self.path = path
        self.line = text.count("\n", 0, match.start()) + 1
        self.name = match["name"]
        self.is_void = match["type"].strip() == "void"
        self.params = parameters(match["params"])
        self.comment = comment_before(text, match.start())


def parameters(text):
    """The names; a parameter without one, or a function pointer, is not found and answers None."""
    if text.strip() in ("", "void"):
        return []
    names = []
    for part in text.split(","):
        match = re.search(r"[\s*](\w+)\s*(\[\w*\])?$", part.strip())
        names.append(match[1] if match else None)
    return names


def comment_before(text, position):
    """The doc comment that ends right before the declaration; None without one."""
    before = text[:position].rstrip(" ")
    if not before.endswith("*/\n"):
        return None
    before = before.rstrip()
    start = before.rfind("/*")
    return before[start:] if before.startswith("/**", start) else None


def functions(source):
    """Every GPUC_API function below include/."""
    found = []
    for path in sorted(pathlib.Path(source, "include").rglob("*.h")):
        text = path.read_text()
        matches = list(DECLARATION.finditer(text))
        if len(matches) != len(re.findall(r"^GPUC_API\b", text, re.M)):
            raise SystemExit(f"{path}: a GPUC_API declaration is not understood")
        found += [Function(path, text, match) for match in matches]
    if len(found) < 50:
        raise SystemExit(f"only {len(found)} public functions found below {source}/include")
    return found
