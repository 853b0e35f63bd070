# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What the end-to-end tests share. Each check prints a line "ok NAME", "FAIL NAME: why" or "SKIP NAME:
# why"; tests/run counts them.
set -uo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
CLI=${GPUC_CLI:-$ROOT/build/release/examples/cli/gpucluster}
eval "$("$ROOT/tests/bed/bed" env)"
KUBECTL=$GPUC_BED_KUBECTL
# Each folder of tests has a place of its own: folders run side by side. State outlives a test, so that
# the tests that can share one cluster do.
WORK=${GPUC_E2E_DIR:-/var/tmp/gpucluster-e2e}/$(basename "$(cd "$(dirname "$0")" && pwd)")
mkdir -p "$WORK"
export XDG_STATE_HOME=$WORK/state
export LXD_DIR=$GPUC_BED_LXD_DIR
failures=0

ok() { echo "ok $*"; }
# evidence FILE: its end, indented: a line is counted by its first word.
evidence() { tail -n 12 "$1" | cut -c 1-500 | sed 's/^/    /'; }
fail() {
    echo "FAIL $*"
    failures=$((failures + 1))
}
skip() { echo "SKIP $*"; }

# check NAME COMMAND…: ok when the command succeeds; its output is shown when it does not.
check() {
    local name=$1 log
    shift
    log=$(mktemp)
    if "$@" >"$log" 2>&1; then
        ok "$name"
    else
        fail "$name: $(evidence "$log")"
    fi
    rm -f "$log"
}

# refuse NAME PATTERN COMMAND…: ok when the command fails and says what the pattern describes.
refuse() {
    local name=$1 pattern=$2 log status
    shift 2
    log=$(mktemp)
    "$@" >"$log" 2>&1
    status=$?
    if [ "$status" -ne 0 ] && grep -Eq "$pattern" "$log"; then
        ok "$name"
    else
        fail "$name: exit status $status, wanted a failure that says \"$pattern\": $(evidence "$log")"
    fi
    rm -f "$log"
}

gpucluster() { "$CLI" "$@"; }
kubectl() { "$KUBECTL" --kubeconfig "$WORK/kubeconfig" "$@"; }

# spec NAME GPU_WORKERS [EXTRA_LINES]: writes a spec for local machines of the bed to $WORK/NAME.yaml.
spec() {
    local name=$1 gpus=$2
    {
        cat <<YAML
apiVersion: gpucluster/v1
name: $name
provider: {kind: local, socket: $GPUC_BED_SOCKET, image: $GPUC_BED_IMAGE}
kubernetes: {version: "$GPUC_BED_K8S_VERSION"}
sources: {bundle: $GPUC_BED_BUNDLE}
machines:
  - {name: master, role: control-plane, memory: 3GiB}
  - {name: cpu, role: worker, memory: 2GiB}
YAML
        [ "$gpus" -eq 0 ] || cat <<YAML
  - {name: gpu, role: worker, count: $gpus, memory: 2GiB, image: $GPUC_BED_IMAGE_GPU, accelerator: {count: 1}}
YAML
        [ $# -lt 3 ] || printf '%s\n' "$3"
    } >"$WORK/$name.yaml"
    echo "$WORK/$name.yaml"
}

# cuda_image MACHINE: the image of jobs that the node has.
cuda_image() {
    "$ROOT/tests/bed/bed" lxc exec "$1" -- ctr -n k8s.io images ls -q 2>/dev/null |
        grep '^nvcr.io/nvidia/cuda:' | head -n 1
}

machines_of() { "$ROOT/tests/bed/bed" lxc list -f csv -c n "^$1-" | sort; }
finish() { exit $((failures > 0)); }
