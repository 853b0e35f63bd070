# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# Swap off, now and after a boot. In a container the swap is the host's: it stays, and kubelet is
# told not to mind (kube.sh).

swap_units() { systemctl list-unit-files --type=swap --no-legend 2>/dev/null | awk '$2 != "masked" {print $1}'; }
fstab_swaps() { awk '$1 !~ /^#/ && $3 == "swap"' /etc/fstab 2>/dev/null; }

probe() {
    if in_container; then
        if swap_on; then present "the swap is the host's; kubelet tolerates it"; fi
        present "no swap"
    fi
    if swap_on; then needed "swap is on"; fi
    [ -z "$(fstab_swaps)" ] || needed "/etc/fstab has swap"
    present "no swap"
}
act() {
    in_container && return 0
    if [ -n "$(fstab_swaps)" ]; then
        record fstab swap
        gpuc_fstab=$(awk '$1 !~ /^#/ && $3 == "swap" {print "#gpucluster#" $0; next} {print}' /etc/fstab)
        printf '%s\n' "$gpuc_fstab" >/etc/fstab.gpuc-new
        chmod --reference=/etc/fstab /etc/fstab.gpuc-new
        mv -f /etc/fstab.gpuc-new /etc/fstab
        systemctl daemon-reload
    fi
    sed -n '2,$s/[[:space:]].*//p' /proc/swaps | while read -r gpuc_swap; do
        record swap "$gpuc_swap"
    done
    for gpuc_unit in $(swap_units); do
        record masked "$gpuc_unit"
        systemctl mask -q --now "$gpuc_unit"
    done
    swapoff -a || fail memory "swap cannot be turned off: is there memory enough?"
}
undo() {
    if recorded fstab swap; then
        gpuc_fstab=$(sed 's/^#gpucluster#//' /etc/fstab)
        printf '%s\n' "$gpuc_fstab" >/etc/fstab.gpuc-new
        chmod --reference=/etc/fstab /etc/fstab.gpuc-new
        mv -f /etc/fstab.gpuc-new /etc/fstab
        systemctl daemon-reload
    fi
    gpuc_swaps=$(recorded_all swap)
    undo_ledger
    for gpuc_swap in $gpuc_swaps; do
        if [ -e "$gpuc_swap" ]; then swapon "$gpuc_swap" || :; fi
    done
}
