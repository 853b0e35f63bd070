# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2034 # other files of lib use these
# Directories, versions, stages with their seconds, and messages. Sourced first.

BED_CACHE=${GPUC_BED_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/gpucluster-bed}
BED_DIR=${GPUC_BED_DIR:-/var/lib/gpucluster-bed}
BED_LXD_DIR=$BED_DIR/lxd
BED_SOCKET=$BED_LXD_DIR/unix.socket
BED_LOG=$BED_DIR/log
BED_BRIDGE=${GPUC_BED_BRIDGE:-gpucbed0}
BED_IMAGE=gpucluster-debian-12
BED_IMAGE_GPU=gpucluster-debian-12-simgpu

bed_say() { printf 'bed: %s\n' "$*"; }
bed_die() { printf 'bed: error: %s\n' "$*" >&2; exit 1; }

# bed_version NAME: the version of NAME in the versions file.
bed_version() {
    local v
    v=$(awk -v n="$1" '$1 == n { print $2 }' "$BED_HOME/versions")
    [ -n "$v" ] || bed_die "no version of $1 in $BED_HOME/versions"
    printf '%s\n' "$v"
}

# bed_stage TITLE FUNCTION [ARG…]: runs it, keeps its output in a log file and
# prints one line with the seconds it took.
bed_stage() {
    local title=$1 start=$SECONDS log rc=0
    shift
    mkdir -p "$BED_LOG"
    log=$BED_LOG/${title//[^A-Za-z0-9]/-}.log
    # Not in an "||" list: bash would ignore set -e inside it.
    set +e
    ( set -e; "$@" ) >"$log" 2>&1
    rc=$?
    set -e
    if [ "$rc" -ne 0 ]; then
        printf 'bed: %-44s FAILED after %d s (%s)\n' "$title" $((SECONDS - start)) "$log"
        tail -n 30 "$log" >&2
        return "$rc"
    fi
    printf 'bed: %-44s %4d s\n' "$title" $((SECONDS - start))
}

# bed_key FILE…: a short hash of the files' contents, to name cached results.
bed_key() { cat "$@" | sha256sum | cut -c1-16; }

# bed_lock: one `bed` at a time changes the bed; others wait here.
bed_lock() {
    mkdir -p "$BED_DIR" "$BED_CACHE"
    exec 9>"$BED_DIR/lock"
    flock -w 3600 9 || bed_die "another bed command has held $BED_DIR/lock for an hour"
}
