# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# A restart, where the driver cannot come into use without: nouveau holds the GPU, or another version
# is loaded than installed.

loaded_version() {
    sed -n 's/^NVRM version:.*  \([0-9][0-9.]*\)  .*/\1/p' /proc/driver/nvidia/version 2>/dev/null
}
nouveau_bound() {
    for gpuc_device in /sys/bus/pci/devices/*; do
        [ "$(cat "$gpuc_device/vendor" 2>/dev/null)" = 0x10de ] || continue
        [ "$(basename "$(readlink "$gpuc_device/driver" 2>/dev/null)" 2>/dev/null)" != nouveau ] ||
            return 0
    done
    return 1
}
probe() {
    if simulated_gpu; then present "SIMULATED GPU: no kernel driver"; fi
    if in_container; then present "the driver is the host's"; fi
    gpuc_installed=$(modinfo -F version nvidia 2>/dev/null | head -n 1)
    [ -n "$gpuc_installed" ] || unknown "no driver is installed yet"
    if nouveau_bound; then needed "nouveau holds the GPU"; fi
    gpuc_loaded=$(loaded_version)
    [ -n "$gpuc_loaded" ] || needed "$gpuc_installed is not loaded"
    [ "$gpuc_loaded" = "$gpuc_installed" ] ||
        needed "$gpuc_loaded is loaded, $gpuc_installed is installed"
    present "$gpuc_loaded is loaded"
}
act() {
    if ! nouveau_bound && [ -z "$(loaded_version)" ] && modprobe nvidia; then
        modprobe nvidia-uvm || :
        say "loaded without a restart"
        return 0
    fi
    # A worker can go; an etcd member that others count on must be seen to by a person.
    if [ -e /etc/kubernetes/manifests/etcd.yaml ]; then
        fail reboot "the machine needs a restart, and it runs the cluster's control plane"
    fi
    sync
    systemd-run -q --collect --on-active=3 --unit=gpuc-reboot systemctl reboot
    say "gpuc-reboot: scheduled"
}
undo() { :; }
