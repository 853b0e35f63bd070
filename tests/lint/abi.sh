#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Compares the library's ABI with the stored baseline. Differences are printed; they fail the check
# once tests/abi/BINDING exists, and before that are only told. Additions never fail.
# usage: abi.sh SOURCE_DIR LIBRARY [--write]
set -eu
source=$1 library=$2
baseline=$source/tests/abi/libgpucluster.abi
if [ "${3:-}" = --write ]; then
    mkdir -p "${baseline%/*}"
    abidw --no-show-locs --no-corpus-path --no-comp-dir-path --drop-undefined-syms \
        --headers-dir "$source/include" --out-file "$baseline.new" "$library"
    # Where it was built says nothing about it.
    sed "s|path='/[^']*/libgpucluster/|path='libgpucluster/|" "$baseline.new" >"$baseline"
    rm "$baseline.new"
    echo "wrote $baseline"
    exit
fi
if [ ! -f "$baseline" ]; then
    echo "skipped: there is no tests/abi/libgpucluster.abi yet (abi.sh SOURCE_DIR LIBRARY --write)"
    exit 77
fi
# The answer is a set of bits: 1 error, 2 wrong usage, 4 a change, 8 an incompatible one.
rc=0
abidiff --no-added-syms --headers-dir2 "$source/include" "$baseline" "$library" || rc=$?
if [ $((rc & 3)) -ne 0 ]; then
    echo "abidiff failed with $rc"
    exit 1
fi
if [ "$rc" -eq 0 ]; then
    echo "the ABI is that of the baseline"
elif [ -f "$source/tests/abi/BINDING" ]; then
    echo "the ABI differs from the baseline, which binds"
    exit 1
else
    echo "the ABI differs from the baseline, which does not bind yet"
fi
