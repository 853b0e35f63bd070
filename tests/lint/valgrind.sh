#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The tests of the public API, linked with the library of a build without sanitizers, under valgrind: no
# wrong access, no use of what was never written, nothing lost. Fewer rounds of each, as it is slow.
# usage: valgrind.sh SOURCE_DIR BUILD_DIR   Where $GPUC_PRODUCT is set, that build is used instead.
set -uo pipefail
source=$1 build=${GPUC_PRODUCT:-$2}
if grep -qs '^GPUC_SANITIZE:[^=]*=.' "$build/CMakeCache.txt"; then
    echo "skipped: $build is a build with sanitizers"
    exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export LD_LIBRARY_PATH=$build/libgpucluster GPUC_TEST_FEW_ORDERS=1 GPUC_TEST_EVERY=${GPUC_TEST_EVERY:-11}
failed=0
for name in api_args api_calls api_oom; do
    # shellcheck disable=SC2046 # words
    cc -g -std=gnu11 -D_GNU_SOURCE "-I$source/include" "-I$source/tests" "$source/tests/unit/test_$name.c" \
        -o "$work/$name" "-L$build/libgpucluster" -lgpucluster $(pkg-config --cflags --libs cmocka) ||
        exit 1
    start=$SECONDS
    if valgrind --quiet --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite,indirect \
        --show-leak-kinds=definite,indirect --child-silent-after-fork=yes "$work/$name" \
        >"$work/log" 2>&1; then
        echo "$name: nothing to say, $((SECONDS - start)) s"
    else
        echo "$name: failed, $((SECONDS - start)) s"
        grep -v '^\[' "$work/log" | head -n 60
        grep -E 'FAILED|ERROR' "$work/log"
        failed=1
    fi
done
exit "$failed"
