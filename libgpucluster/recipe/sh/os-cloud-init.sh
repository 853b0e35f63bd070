# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# Waits for cloud-init, where there is one: it installs packages and keys while it runs.

probe() {
    have cloud-init || present "no cloud-init here"
    if [ -e /etc/cloud/cloud-init.disabled ]; then present "cloud-init is disabled"; fi
    gpuc_state=$(cloud-init status 2>/dev/null | sed -n 's/^status: *//p')
    case $gpuc_state in
    done | degraded* | disabled) present "cloud-init: $gpuc_state" ;;
    error) unknown "cloud-init ended with an error; see cloud-init status --long" ;;
    *) needed "cloud-init: ${gpuc_state:-not begun}" ;;
    esac
}
act() {
    gpuc_rc=0
    cloud-init status --wait || gpuc_rc=$?
    # 2 (from 23.4 on): done, with errors it recovered from.
    case $gpuc_rc in
    0 | 2) ;;
    *)
        cloud-init status --long || :
        fail cloudinit "cloud-init ended with an error ($gpuc_rc)"
        ;;
    esac
}
undo() { :; }
