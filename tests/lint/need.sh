#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs a check, or skips it with the reason when a tool that it needs is not installed.
# usage: need.sh "TOOL…" COMMAND [ARGUMENT…]
for tool in $1; do
    if ! command -v "$tool" >/dev/null; then
        echo "skipped: $tool is not installed"
        exit 77
    fi
done
shift
exec "$@"
