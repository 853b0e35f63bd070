# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# The programs that kubeadm, kubelet and kube-proxy call. Looked for by command, so that a machine
# which has them needs no package mirror.

# "command package" for each that is missing.
missing_programs() {
    while read -r gpuc_command gpuc_package; do
        have "$gpuc_command" || printf '%s %s\n' "$gpuc_command" "$gpuc_package"
    done <<LIST
conntrack conntrack
iptables iptables
ethtool ethtool
ip iproute2
tc iproute2
mount mount
nsenter util-linux
modprobe kmod
sysctl procps
tar tar
LIST
    if [ "$GPUC_SOURCE" != bundle ]; then
        have curl || have wget || echo "curl curl"
        [ -e /etc/ssl/certs/ca-certificates.crt ] || echo "update-ca-certificates ca-certificates"
    fi
    if [ "$(gpu_count)" -gt 0 ] && ! have python3; then echo "python3 python3-minimal"; fi
}
probe() {
    gpuc_missing=$(missing_programs | awk '{printf "%s%s", sep, $1; sep = ", "}')
    [ -n "$gpuc_missing" ] || present "all programs are there"
    needed "missing: $gpuc_missing"
}
act() {
    gpuc_packages=$(missing_programs | awk '{print $2}' | sort -u)
    [ -n "$gpuc_packages" ] || return 0
    # shellcheck disable=SC2086 # a list of package names
    apt_install $gpuc_packages
}
undo() { undo_ledger; }
