#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Each public header compiles alone, as C11 and as C++17, with warnings as errors.
# usage: headers.sh SOURCE_DIR CC CXX
set -eu
include=$1/include cc=$2 cxx=$3
count=0
for header in "$include"/gpucluster.h "$include"/gpucluster/*.h; do
    name=${header#"$include"/}
    # Twice: the guard holds.
    text="#include <$name>
#include <$name>"
    echo "$text" | "$cc" -std=c11 -Wall -Wextra -pedantic -Werror -I"$include" -fsyntax-only -x c -
    echo "$text" | "$cxx" -std=c++17 -Wall -Wextra -pedantic -Werror -I"$include" -fsyntax-only \
        -x c++ -
    count=$((count + 1))
done
[ "$count" -ge 10 ] || { echo "only $count headers found below $include"; exit 1; }
echo "$count headers compile alone as C11 and C++17"
