# SPDX-License-Identifier: Apache-2.0
"""The comment contract: what every public function's comment says. usage: comments.py SOURCE_DIR"""
import re
import sys

from headers import functions


def problems(function):
    if function.comment is None:
        yield "has no doc comment (/** … */) right before it"
        return
    text = re.sub(r"^\s*\*", "", function.comment[3:-2], flags=re.M)
    if not re.match(r"\s*[A-Z][^@]{5,}", text):
        yield "has no sentence before the first tag"
    for tag in ("blocking", "threadsafety", "since"):
        if not re.search(rf"@{tag}\s+[^@\s]", text):
            yield f"lacks @{tag}"
    if not re.search(r"@since\s+\d+\.\d+\s*(@|$)", text):
        yield "has an @since that is no version"
    described = re.findall(r"@param\s*(?:\[(?:in|out|in,out)\])\s*(\w+)\s+[^@\s]", text)
    if len(described) != len(re.findall(r"@param\b", text)):
        yield "has an @param without [in], [out] or [in,out], a name and a text"
    if described != function.params:
        yield f"describes the parameters {described}, but has {function.params}"
    if bool(re.search(r"@return\s+[^@\s]", text)) == function.is_void:
        yield "has an @return though it is void" if function.is_void else "lacks @return"


def main(source):
    bad = 0
    all_functions = functions(source)
    for function in all_functions:
        for problem in problems(function):
            print(f"{function.path}:{function.line}: {function.name} {problem}")
            bad += 1
    print(f"{len(all_functions)} public functions, {bad} problems")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
