#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Reads nvidia-smi's XML with the library and with others, interleaved, and prints the median MB of XML
# per second of CPU time, and the ratio to the library. FILE is a document of `nvidia-smi -q -x`; without
# one a document of eight GPUs is made up.
# Usage: smi_parse.sh BUILD_DIRECTORY [FILE]
set -eu
build=${1:?usage: smi_parse.sh BUILD_DIRECTORY [FILE]}
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
document=${2:-}
if [ -z "$document" ]; then
    document=$work/eight.xml
    python3 "$here/smi_parse.py" --make "$document"
fi
for _ in $(seq "${ROUNDS:-5}"); do
    "$build/tests/bench/smi_parse" "$document"
    python3 "$here/smi_parse.py" "$document"
done | python3 "$here/smi_parse.py" --summary "$(stat -c %s "$document")"
