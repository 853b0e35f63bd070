#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Generates the Python module and the Go package with SWIG against the installed library, compiles
# both, and walks the API from each: plan of a host that is not there, or with a SPEC and a STATE_DIR
# the `up` of a cluster that is up already, and jobs on it ($GPUC_TEST_IMAGE: an image its nodes have).
# usage: run.sh BUILD_DIR [SPEC STATE_DIR]   A build without sanitizers is needed: BUILD_DIR, or
# where $GPUC_PRODUCT says one is.
# shellcheck disable=SC2046,SC2317 # flags are words; functions are called through part
set -uo pipefail
source=$(cd "$(dirname "$0")/../.." && pwd)
build=${GPUC_PRODUCT:-${1:?usage: run.sh BUILD_DIR [SPEC STATE_DIR]}}
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
failed=0

ok() { echo "ok $*"; }
fail() {
    echo "FAIL $*"
    failed=1
}

if grep -qs '^GPUC_SANITIZE:[^=]*=.' "$build/CMakeCache.txt"; then
    echo "SKIP bindings: $build is a build with sanitizers, which neither language can load"
    exit 77
fi
# Of several interpreters the one that has headers is meant.
python=
for p in /usr/bin/python3 "$(command -v python3)"; do
    include=$("$p" -c 'import sysconfig; print(sysconfig.get_path("include"))' 2>/dev/null)
    [ -e "$include/Python.h" ] && python=$p && break
done

cmake --install "$build" --prefix "$work/prefix" >"$work/log" 2>&1 || {
    fail "install: $(tail -n 5 "$work/log")"
    exit 1
}
pc=$(find "$work/prefix" -name libgpucluster.pc)
export PKG_CONFIG_PATH=${pc%/*}
LD_LIBRARY_PATH=$(pkg-config --variable=libdir libgpucluster)
export LD_LIBRARY_PATH
# pkg-config prints words.
swig_flags() { echo -Wall -Werror "-I$source/bindings/swig" $(pkg-config --cflags libgpucluster); }

# A host that is not there: a plan needs nothing else.
spec=${2:-$work/spec.yaml} state=${3:-$work/state}
words=()
[ $# -lt 3 ] || words=(up)
if [ $# -lt 3 ]; then
    ssh-keygen -q -t ed25519 -N '' -f "$work/key"
    cat >"$spec" <<YAML
apiVersion: gpucluster/v1
name: bindings
provider: {kind: ssh}
ssh: {user: root, identity: $work/key}
machines:
  - {name: m1, role: control-plane, host: 127.0.0.1, port: 1}
YAML
fi

python_module() {
    mkdir "$work/python" &&
        swig -python $(swig_flags) -outdir "$work/python" -o "$work/python/native_wrap.c" \
            "$source/bindings/swig/python.i" &&
        cc -shared -fPIC -Wall -Werror -Wno-unused-function "-I$include" "$work/python/native_wrap.c" \
            $(pkg-config --cflags --libs libgpucluster) -o "$work/python/_native.so"
}

# go_program NAME FILE…: a program of this repository against the package; Go's cache makes the second
# one cheap.
go_package() {
    mkdir -p "$work/go/native" &&
        swig -go -cgo -intgosize "$(getconf LONG_BIT)" $(swig_flags) -outdir "$work/go/native" \
            -o "$work/go/native/native_wrap.c" "$source/bindings/swig/go.i" &&
        printf 'module gpucluster.test\n\ngo 1.18\n' >"$work/go/go.mod"
}
go_program() {
    mkdir -p "$work/go/$1" && cp "${@:2}" "$work/go/$1/" &&
        (cd "$work/go" && GOFLAGS=-mod=mod GOTOOLCHAIN=local GOPROXY=off GOWORK=off \
            go build -o "$work/go/$1.bin" "./$1")
}

# part LANGUAGE WHAT COMMAND…: the command, quietly; FAIL and its output's end when it fails.
part() {
    local name="$1: $2"
    shift 2
    if "$@" >"$work/log" 2>&1; then
        ok "$name"
    else
        fail "$name: $(tail -n 20 "$work/log")"
        return 1
    fi
}

# A host that refuses is a machine that failed: status 3, and the report says why.
refused() { # COMMAND…
    local rc=0 said
    said=$("$@" 2>&1) || rc=$?
    [ "$rc" -eq 3 ] && grep -q 'host.reach.*refused' <<<"$said" || { echo "$rc: $said" && false; }
}

if [ -z "$python" ] || ! command -v swig >/dev/null; then
    echo "SKIP python: swig, or a Python with headers, is not installed"
else
    export PYTHONPATH=$work/python PYTHONDONTWRITEBYTECODE=1
    if part python "the module is made without warnings" python_module; then
        "$python" "$source/tests/bindings/plan_up_events.py" "$spec" "$state" "${words[@]}" ||
            fail "python: plan_up_events.py: exit status $?"
        [ "${words[*]}" = up ] ||
            part python "the example runs" "$python" "$source/examples/python/steps.py" "$spec" "$state"
        [ "${words[*]}" = up ] || {
            echo "root@127.0.0.1:1 gpus=1" >"$work/hosts"
            part python "hosts are verified before a job" refused "$python" \
                "$source/examples/python/verify_hosts.py" "$work/hosts" "$work/key" false
        }
    fi
fi
if ! command -v go >/dev/null || ! command -v swig >/dev/null; then
    echo "SKIP go: swig or go is not installed"
elif part go "the package is made without warnings" go_package &&
    part go "it compiles" go_program walk "$source/tests/bindings/go/"*.go; then
    "$work/go/walk.bin" "$spec" "$state" "${words[@]}" || fail "go: main.go: exit status $?"
    [ "${words[*]}" = up ] || {
        part go "the example compiles" go_program steps "$source/examples/go/steps.go" &&
            part go "the example runs" "$work/go/steps.bin" "$spec" "$state"
        part go "the example of hosts compiles" go_program verify_hosts "$source/examples/go/verify_hosts.go" &&
            part go "hosts are verified" refused "$work/go/verify_hosts.bin" "$work/key" root@127.0.0.1:1
    }
fi
exit "$failed"
