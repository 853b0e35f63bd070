#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Debian packages that building and testing need; nothing is done when all are there.
set -eu
packages="build-essential cmake ninja-build pkg-config git
    libcurl4-openssl-dev libjansson-dev libssh2-1-dev libssl-dev libuv1-dev libsqlite3-dev
    libyaml-dev libxml2-dev"
test_packages="libcmocka-dev swig python3 python3-dev python3-venv golang-go openssh-server openssh-client
    valgrind abigail-tools shellcheck pmccabe pssh clustershell sqlite3 iproute2 curl man-db
    libxml2-utils python3-jsonschema chromium locales"
if [ "${1:-}" = test ]; then
    packages="$packages $test_packages"
fi
missing=
for p in $packages; do
    dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'install ok' || missing="$missing $p"
done
[ -n "$missing" ] || exit 0
sudo=
[ "$(id -u)" -eq 0 ] || sudo=sudo
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get -qq update
# shellcheck disable=SC2086 # a list of names
$sudo apt-get -qq -y -o DPkg::Lock::Timeout=600 install --no-install-recommends $missing >/dev/null
