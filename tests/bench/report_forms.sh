#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Time, size and memory of the report's forms for a made-up fleet of 500 machines with 8 GPUs, whose GPUs have
# all the fields that nvidia-smi gives. usage: report_forms.sh BUILD_DIRECTORY [MACHINES GPUS]
set -eu
build=${1:?usage: report_forms.sh BUILD_DIRECTORY [MACHINES GPUS]}
source=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$build/examples/cli/gpucluster" gpu parse --json "$source/tests/data/nvidia-smi/two-gpus-580.xml" >"$work/gpu.json"
python3 -B "$source/tests/report/fleet.py" "$source" "${2:-500}" "${3:-8}" --details "$work/gpu.json" >"$work/in.json"
echo "form bytes cpu_milliseconds rss_before_kib rss_peak_kib"
for form in read json ctrf junit html table; do
    "$build/tests/bench/report_forms" "$work/in.json" "$form" "${ROUNDS:-5}"
done
