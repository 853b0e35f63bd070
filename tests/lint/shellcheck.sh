#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Shellchecks every script of the recipe as rendered for a machine.
# usage: shellcheck.sh BUILD_DIR   (needs its target unit_recipe_render)
set -eu
build=${1:?usage: shellcheck.sh BUILD_DIR}
if ! command -v shellcheck >/dev/null; then
    echo "shellcheck.sh: skipped: shellcheck is not installed"
    exit 77
fi
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
program=$(find "$build" -name unit_recipe_render -type f | head -n 1)
GPUC_RENDER_DIR=$out "${program:?build unit_recipe_render first}" >/dev/null 2>&1
count=$(find "$out" -name '*.sh' | wc -l)
[ "$count" -ge 40 ] || { echo "shellcheck.sh: only $count scripts were rendered"; exit 1; }
# Helpers that one script does not use, and the variables it is not in need of, are no fault there;
# every rendered text ends in an exit.
shellcheck -s sh -S style -e SC2034,SC2317,SC2218 "$out"/*.sh
# The fragment that is not rendered with a step.
shellcheck -s sh -S style -e SC2154 "$(dirname "$0")/../../libgpucluster/recipe/runner.sh" \
    "$(dirname "$0")/../../libgpucluster/recipe/wrap.sh"
# What looks at GPUs.
shellcheck -s sh -S style "$(dirname "$0")"/../../libgpucluster/gpu/sh/*.sh
echo "shellcheck.sh: $count scripts, nothing to say"
