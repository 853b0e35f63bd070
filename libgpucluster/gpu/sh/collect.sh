# SPDX-License-Identifier: Apache-2.0
# One look at a machine's GPUs: POSIX sh, run as root, changes nothing. The sender puts
# GPUC_NONCE=... before it. Prints sections:
#   ==NONCE begin NAME
#   ...
#   ==NONCE end NAME STATUS
# nvidia-smi comes late: it can hang beyond all signals when a GPU is wedged, and what was printed
# before is then still read. After it come only the device nodes, because it makes them, and what else
# it has to say when it has answered once.
# shellcheck disable=SC2154,SC2317 # the nonce is put before; functions are called by name
LC_ALL=C
PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL PATH

marker=/etc/gpucluster/simulated-gpu
pci=/sys/bus/pci/devices
proc=/proc
efi=/sys/firmware/efi
if [ -d "$marker" ]; then # what a kernel with such a GPU would show
    pci=$marker/pci
    proc=$marker/proc
    efi=$marker/efi
fi

section() { # NAME FUNCTION
    printf '==%s begin %s\n' "$GPUC_NONCE" "$1"
    "$2"
    printf '\n==%s end %s %d\n' "$GPUC_NONCE" "$1" "$?"
}

limited() { # COMMAND...: a deadline, and a bound on what it prints
    timeout -k 5 10 "$@" 2>&1 | head -c 65536
}

facts() {
    [ ! -d "$marker" ] || echo simulated=1
    [ ! -d "$proc" ] || echo driver_shown=1
    echo "time=$(date +%s)"
    [ "$(id -u)" = 0 ] || echo not_root=1
    echo "kernel=$(uname -r)"
    echo "boot_id=$(head -c 64 /proc/sys/kernel/random/boot_id 2>/dev/null)"
    [ ! -d "$proc/driver/nvidia/gpus" ] ||
        echo "proc_gpus=$(find "$proc/driver/nvidia/gpus" -mindepth 1 -maxdepth 1 | wc -l)"
    [ ! -e "$marker/bandwidth" ] || echo bandwidth_shown=1
}

# 1 or 0; none: no EFI variables
secure_boot() {
    echo "secure_boot=$(od -An -tu1 -j4 -N1 \
        "$efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c" 2>/dev/null | tr -d ' ')"
    [ -d "$efi/efivars" ] || echo no_efi=1
}

attribute() { # FILE: its first word, or -
    word=
    [ ! -r "$1" ] || read -r word _ <"$1" 2>/dev/null
    printf ' %s' "${word:--}"
}

# Every NVIDIA function: address vendor device class driver width width_max speed speed_max
pci_scan() {
    for device in "$pci"/*; do
        [ -r "$device/vendor" ] || continue
        read -r vendor <"$device/vendor"
        [ "$vendor" = 0x10de ] || continue
        read -r id <"$device/device"
        read -r class <"$device/class"
        driver=-
        [ ! -e "$device/driver" ] || driver=$(basename "$(readlink -f "$device/driver")")
        printf '%s %s %s %s %s' "${device##*/}" "$vendor" "$id" "$class" "$driver"
        attribute "$device/current_link_width"
        attribute "$device/max_link_width"
        attribute "$device/current_link_speed"
        attribute "$device/max_link_speed"
        echo
    done
    return 0
}

driver_version() {
    [ -r "$proc/driver/nvidia/version" ] || return 1
    head -c 4096 "$proc/driver/nvidia/version"
}

modules() {
    [ -r "$proc/modules" ] || return 1
    grep -E '^(nvidia|nouveau)' "$proc/modules" | head -c 65536
    return 0
}

module_file() {
    if [ -d "$marker" ]; then
        head -c 64 "$marker/modinfo" 2>/dev/null
    else
        limited modinfo -F version nvidia
    fi
}

# Where the driver's libraries lead: their names end with the version.
libraries() {
    for name in libnvidia-ml.so.1 libcuda.so.1; do
        path=$(limited ldconfig -p | sed -n "s|^[[:space:]]*$name .*=> ||p" | head -n 1)
        [ -z "$path" ] || echo "$name $(readlink -f "$path")"
    done
    return 0
}

# What Kubernetes needs besides the driver, a fact a line: the container toolkit, containerd's
# configuration (with what it imports), the CDI files, the sockets of the device plugins.
is_active() {
    systemctl is-active "$1" 2>/dev/null || :
}

containerd_config() {
    limited containerd config dump | awk '
        /^ *\[/ { table = $0; gsub(/[][ \047"]/, "", table) }
        /^ *\[/ && table ~ /\.containerd\.runtimes\.[^.]*$/ {
            name = table; sub(/.*\./, "", name); print "handler=" name }
        { value = $0; sub(/^[^=]*= */, "", value); gsub(/[\047"]/, "", value) }
        $1 == "BinaryName" && table ~ /\.containerd\.runtimes\.nvidia\.options$/ { print "binary=" value }
        $1 == "default_runtime_name" { print "default_handler=" value }'
    # certs.d is read at each pull, not at the start
    find /etc/containerd -name certs.d -prune -o -name '*.toml' -newer /run/containerd/containerd.sock -print 2>/dev/null |
        head -n 1 | sed 's/^/unread=/'
}

chain() {
    echo "runtime=$(command -v nvidia-container-runtime)"
    ! command -v nvidia-ctk >/dev/null || echo "toolkit=$(limited nvidia-ctk --version | head -n 1)"
    echo "containerd=$(is_active containerd.service)"
    echo "kubelet=$(is_active kubelet.service)"
    if command -v containerd >/dev/null; then
        config=$(containerd_config)
        echo "$config"
        binary=$(echo "$config" | sed -n 's/^binary=//p' | head -n 1)
        [ ! -x "$binary" ] || echo "binary_is_there=1"
    fi
    for file in /etc/cdi/*nvidia* /var/run/cdi/*nvidia*; do
        [ ! -e "$file" ] || echo "cdi=$file"
    done
    if [ -r /var/lib/kubelet/device-plugins ]; then
        echo "sockets_known=1"
        for file in /var/lib/kubelet/device-plugins/*.sock; do
            [ ! -S "$file" ] || echo "socket=${file##*/}"
        done
    fi
    return 0
}

fabric_manager() {
    command -v nv-fabricmanager >/dev/null 2>&1 || [ -e "$marker/fabricmanager" ] || return 0
    if [ -d "$marker" ]; then
        head -c 4096 "$marker/fabricmanager"
    else
        echo "state=$(limited systemctl is-active nvidia-fabricmanager)"
        echo "version=$(limited nv-fabricmanager --version)"
    fi
}

kernel_lines() { # SOURCE
    case $1 in
        simulated) cat "$marker/kmsg" ;;
        journalctl) timeout -k 5 10 journalctl -k -b -q --no-pager -o short-iso ;;
        dmesg) timeout -k 5 10 dmesg ;;
        kern.log) timeout -k 5 10 cat /var/log/kern.log ;;
    esac 2>/dev/null
}

# This boot's messages about GPUs: the first line, and those that may matter, from the first source that
# has any. The log of a simulated GPU's machine is the host's, so it has a file for its own.
kernel_log() {
    sources='journalctl dmesg kern.log'
    [ ! -d "$marker" ] || sources=simulated
    for source in $sources; do
        text=$(kernel_lines "$source" | tr -d '\000' | awk 'NR == 1 ||
            /NVRM|nvidia|SXid|Linux version|AER|PCIe Bus Error|PCIe bandwidth|unsigned module/' |
            tail -n 4000 | tail -c 524288)
        [ -n "$text" ] || [ "$source" = simulated ] || continue
        echo "source=$source"
        printf '%s\n' "$text"
        [ -r "$marker/kmsg" ] || [ "$source" != simulated ]
        return
    done
    return 1
}

nodes() { # path mode
    for node in /dev/nvidia*; do
        [ ! -c "$node" ] || stat -c '%n %a' "$node"
    done
    return 0
}

nvlinks() {
    [ "$smi_status" -eq 0 ] || return 1
    limited nvidia-smi nvlink -s
}

nvlink_errors() {
    [ "$smi_status" -eq 0 ] || return 1
    limited nvidia-smi nvlink -e
}

# stdout goes out as it comes; stderr and the status are kept aside for a section of their own.
smi() {
    smi_aside=$( { timeout -k 5 60 nvidia-smi -q -x >&5; echo "status=$?"; } 2>&1 )
    smi_status=${smi_aside##*status=}
    return "$smi_status"
}

smi_errors() {
    printf '%s\n' "${smi_aside%status=*}" | head -c 4096
}

# Which link joins which two GPUs: only asked of a driver that has just answered.
topology() {
    [ "${smi_aside##*status=}" = 0 ] || return 1
    limited nvidia-smi topo -m
}

look() {
    section facts facts
    section pci pci_scan
    section version driver_version
    section modules modules
    section modinfo module_file
    section chain chain
    section libraries libraries
    section secure_boot secure_boot
    section fabric_manager fabric_manager
    section kernel_log kernel_log
    section smi smi
    section smi_errors smi_errors
    section nodes nodes
    section nvlinks nvlinks
    section nvlink_errors nvlink_errors
    section topology topology
    printf '==%s done\n' "$GPUC_NONCE"
}

# The script itself comes on stdin: nothing below may read it.
look 5>&1 </dev/null
exit 0
