# SPDX-License-Identifier: Apache-2.0
# A second look, right after the compute probe and in the same round trip: what the GPUs' links and
# clocks were like under load. The sender puts GPUC_NONCE=..., GPUC_STATUS=... (the probe's) and
# GPUC_DCGM=LEVEL before it. Sections as in collect.sh; changes nothing.
# shellcheck disable=SC2154,SC2317 # the values are put before; functions are called by name
marker=/etc/gpucluster/simulated-gpu
pci=/sys/bus/pci/devices
[ ! -d "$marker" ] || pci=$marker/pci

section() { # NAME FUNCTION
    printf '\n==%s begin %s\n' "$GPUC_NONCE" "$1"
    "$2"
    printf '\n==%s end %s %d\n' "$GPUC_NONCE" "$1" "$?"
}

# address width speed; first of all, since a link slows down when its GPU rests
links() {
    for device in "$pci"/*; do
        if [ ! -r "$device/vendor" ] || [ ! -r "$device/current_link_width" ]; then
            continue
        fi
        read -r vendor <"$device/vendor"
        [ "$vendor" = 0x10de ] || continue
        read -r width <"$device/current_link_width"
        read -r speed _ <"$device/current_link_speed"
        echo "${device##*/} $width $speed"
    done 2>/dev/null
    return 0
}

# Of nvidia-smi's document only what is compared: it stays well-formed, since elements with others
# inside are kept whole or not at all.
smi() {
    timeout -k 5 30 nvidia-smi -q -x 2>/dev/null | grep -E '^[[:space:]]*<(!--.*--|/?(nvidia_smi_log|pci|pci_gpu_link_info|pcie_gen|link_widths|clocks_(event|throttle)_reasons)>|/gpu>|gpu id=|(uuid|replay_counter|(max|current|max_device|max_host)_link_(gen|width)|clocks_(event|throttle)_reason_[a-z_]*)>)'
}

clock() {
    date +%s
}

dcgm() {
    command -v dcgmi >/dev/null 2>&1 || return 127
    case $GPUC_DCGM in 1) limit=120 ;; 2) limit=600 ;; *) limit=2400 ;; esac
    # The status is dcgmi's, not that of what bounds its output.
    { status=$( { { timeout -k 5 "$limit" dcgmi diag -r "$GPUC_DCGM" -j 2>&1 3>&- 4>&-; echo "$?" >&3; } |
        head -c 262144 >&4; } 3>&1 ); } 4>&1
    return "$status"
}

look() {
    section links links
    case $GPUC_STATUS in 124 | 137) return ;; esac # a GPU hangs, and nvidia-smi would too
    section smi smi
    section clock clock
    [ "$GPUC_DCGM" = 0 ] || section dcgm dcgm
}

look </dev/null
exit "$GPUC_STATUS"
