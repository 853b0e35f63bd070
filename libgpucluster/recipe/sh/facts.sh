# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# What there is to know of a machine, as key=value lines. Looks only.

fact() { printf '%s=%s\n' "$1" "$(printf '%s' "$2" | tr '\n\t' '  ')"; }
yes_no() { if "$@"; then echo 1; else echo 0; fi; }

secure_boot() {
    gpuc_efi=$(find /sys/firmware/efi/efivars -name 'SecureBoot-*' 2>/dev/null | head -n 1)
    if [ -z "$gpuc_efi" ]; then
        echo none
    elif [ "$(od -An -t u1 -j 4 -N 1 "$gpuc_efi" 2>/dev/null | tr -d ' ')" = 1 ]; then
        echo on
    else
        echo off
    fi
}
nvidia_loaded() {
    sed -n 's/^NVRM version:.*  \([0-9][0-9.]*\)  .*/\1/p' /proc/driver/nvidia/version 2>/dev/null
}

probe() {
    fact os "$(os_id)"
    fact arch "$(machine_arch)"
    fact kernel "$(uname -r)"
    fact cgroup "$(cgroup_version)"
    fact virt "$(systemd-detect-virt 2>/dev/null || :)"
    fact container "$(yes_no in_container)"
    fact systemd "$(systemctl --version 2>/dev/null | sed -n '1s/^systemd \([0-9]*\).*/\1/p')"
    fact boot_id "$(cat /proc/sys/kernel/random/boot_id)"
    fact hostname "$(hostname)"
    fact product_uuid "$(cat /sys/class/dmi/id/product_uuid 2>/dev/null || :)"
    fact machine_id "$(cat /etc/machine-id 2>/dev/null || :)"
    fact cap_sys_resource "$(yes_no has_sys_resource)"
    fact swap "$(yes_no swap_on)"
    fact memory_kib "$(sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo)"
    fact cpus "$(nproc)"
    fact disk_free_kib "$(df -Pk /var | sed -n '2p' | awk '{print $4}')"
    fact address "$(ip -4 route get 1.1.1.1 2>/dev/null | sed -n 's/.* src \([0-9.]*\).*/\1/p')"
    fact time "$(date +%s)"
    fact owner "$(sed -n 1p "$GPUC_DIR/owner" 2>/dev/null || :)"
    fact simulated "$(yes_no simulated_gpu)"
    fact gpu_pci_count "$(gpu_count)"
    fact gpu_devices "$(gpu_devices)"
    fact nvidia_smi "$(command -v nvidia-smi || :)"
    fact nvidia_loaded "$(nvidia_loaded || :)"
    fact secure_boot "$(secure_boot)"
}
