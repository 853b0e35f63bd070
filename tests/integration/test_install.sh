#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What is installed is enough to build against: the examples outside this tree, with pkg-config alone
# and with CMake's find_package, run on a spec, on a wrong one and on a host that is not there.
# usage: test_install.sh BUILD_DIR
# shellcheck disable=SC2016,SC2046,SC2317 # flags are words; functions are called through check
set -uo pipefail
source=$(cd "$(dirname "$0")/../.." && pwd)
build=${GPUC_PRODUCT:-${1:?usage: test_install.sh BUILD_DIR}}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix
failed=0

# check NAME COMMAND…: ok when it succeeds; its output's end is shown when it does not.
check() {
    local name=$1
    shift
    if "$@" >"$work/log" 2>&1; then
        echo "ok $name"
    else
        echo "FAIL $name: exit status $?: $(tail -n 15 "$work/log")"
        failed=1
    fi
}
# says PATTERN COMMAND…: fails as a program should, with the pattern in what it says.
says() {
    local pattern=$1
    shift
    ! "$@" >"$work/said" 2>&1 && grep -q -- "$pattern" "$work/said" && return
    cat "$work/said"
    return 1
}
shows() {
    local pattern=$1
    shift
    "$@" >"$work/said" 2>&1 && grep -q -- "$pattern" "$work/said" && return
    cat "$work/said"
    return 1
}

if grep -qs '^GPUC_SANITIZE:[^=]*=.' "$build/CMakeCache.txt"; then
    echo "SKIP install: $build is a build with sanitizers, which ordinary programs cannot load"
    exit 77
fi
check "installs" cmake --install "$build" --prefix "$prefix"
lib=$(dirname "$(find "$prefix" -name libgpucluster.so)")
export PKG_CONFIG_PATH=$lib/pkgconfig LD_LIBRARY_PATH=$lib XDG_STATE_HOME=$work/state
version=$(sed -n 's/.*GPUC_VERSION_M[A-Z]* \([0-9]*\)/\1/p' "$source/include/gpucluster/version.h" |
    paste -sd.).0

# What pkg-config says.
check "pkg-config: the version" test "$(pkg-config --modversion libgpucluster)" = "$version"
check "pkg-config: the place" test "$(pkg-config --variable=prefix libgpucluster)" = "$prefix"
check "pkg-config: only itself is linked" \
    test "$(pkg-config --libs-only-l libgpucluster | tr -d ' ')" = -lgpucluster
check "pkg-config: what it needs itself is named" shows -lcurl pkg-config --static --libs libgpucluster
check "the file is one library with a version" \
    test "$(readlink "$lib/libgpucluster.so.0")" = "libgpucluster.so.$version"
check "the schema is installed" python3 -m json.tool "$prefix/share/gpucluster/spec.schema.json"
check "nothing it needs is missing" bash -c '! ldd "$1" | grep "not found"' _ "$lib/libgpucluster.so"
check "the command finds the library beside it" env -u LD_LIBRARY_PATH \
    "$prefix/bin/gpucluster" --version

# Outside the tree, with pkg-config alone.
mkdir "$work/outside"
cp "$source"/examples/*.c "$work/outside"
cd "$work/outside" || exit 1
for program in up loop steps job; do
    check "pkg-config builds $program.c" cc -std=gnu11 -Wall -Werror $(pkg-config --cflags libgpucluster) \
        "$program.c" -o "$program" $(pkg-config --libs libgpucluster)
done
ssh-keygen -q -t ed25519 -N '' -f key
cat >spec.yaml <<'YAML'
apiVersion: gpucluster/v1
name: outside
provider: {kind: ssh}
ssh: {user: root, identity: key}
machines:
  - {name: m1, role: control-plane, host: 127.0.0.1, port: 1}
YAML
sed 's/role:/rolle:/' spec.yaml >wrong.yaml
check "loop plans inside a loop of its own" shows 'os.swap' ./loop spec.yaml
check "steps: the step of one's own is in the plan" shows 'needed *site.motd' ./steps spec.yaml plan
check "steps: the skipped one is marked" shows 'skipped *os.swap' ./steps spec.yaml plan
check "a wrong spec is told with its place" says 'wrong.yaml:6:.*rolle.*role' ./up wrong.yaml
check "job: a cluster that is not there" says 'nowhere' ./job nowhere
sed 's/identity: key/identity: absent/' spec.yaml >keyless.yaml
check "up: a key that is not there" says 'absent' timeout 60 ./up keyless.yaml

# Outside the tree, with CMake.
cat >CMakeLists.txt <<'CMAKE'
cmake_minimum_required(VERSION 3.22)
project(outside LANGUAGES C)
find_package(gpucluster 0.1 REQUIRED)
add_executable(by_cmake loop.c)
target_link_libraries(by_cmake PRIVATE gpucluster::gpucluster)
CMAKE
check "find_package finds it" cmake -B by_cmake.d "-DCMAKE_PREFIX_PATH=$prefix" .
check "CMake builds against it" cmake --build by_cmake.d
check "its program runs" env -u LD_LIBRARY_PATH ./by_cmake.d/by_cmake spec.yaml
sed -i 's/gpucluster 0.1/gpucluster 0.2/' CMakeLists.txt
check "a version that is not there is refused" says 'version' \
    cmake -B other.d "-DCMAKE_PREFIX_PATH=$prefix" .
exit "$failed"
