# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Debian packages the bed itself needs on the host.

BED_PACKAGES="python3 lxd lxd-client lxcfs dnsmasq-base uidmap squashfs-tools debootstrap
    nftables iptables busybox-static openssh-client curl gcc libc6-dev
    ca-certificates iproute2 binutils libseccomp-dev pkg-config"

# bed_apt_install PACKAGE…: with the lists there are, or else with new ones.
bed_apt_install() {
    export DEBIAN_FRONTEND=noninteractive
    if ! apt-get -o DPkg::Lock::Timeout=600 install -y --no-install-recommends "$@"; then
        apt-get update
        apt-get -o DPkg::Lock::Timeout=600 install -y --no-install-recommends "$@"
    fi
}

bed_packages() {
    local p missing=()
    for p in $BED_PACKAGES; do
        dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing+=("$p")
    done
    [ "${#missing[@]}" -eq 0 ] && return 0
    printf 'installing: %s\n' "${missing[*]}"
    bed_apt_install "${missing[@]}"
}
