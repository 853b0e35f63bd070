# SPDX-License-Identifier: Apache-2.0
# One look at a machine's GPUs: POSIX sh, run as root, changes nothing. The sender puts
# GPUC_NONCE=... before it. Prints sections:
#   ==NONCE begin NAME
#   ...
#   ==NONCE end NAME STATUS
# nvidia-smi comes late: it can hang beyond all signals when a GPU is wedged, and what was printed
# before is then still read. Only the device nodes come after it, because it makes them.
# shellcheck disable=SC2154,SC2317 # the nonce is put before; functions are called by name
LC_ALL=C
PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL PATH

marker=/etc/gpucluster/simulated-gpu
pci=/sys/bus/pci/devices
if [ -d "$marker" ]; then
    pci=$marker/pci
fi

section() { # NAME FUNCTION
    printf '==%s begin %s\n' "$GPUC_NONCE" "$1"
    "$2"
    printf '\n==%s end %s %d\n' "$GPUC_NONCE" "$1" "$?"
}

limited() { # COMMAND...: a deadline, and a bound on what it prints
    timeout -k 5 20 "$@" 2>&1 | head -c 65536
}

facts() {
    [ ! -d "$marker" ] || echo simulated=1
    echo "kernel=$(uname -r)"
    echo "boot_id=$(head -c 64 /proc/sys/kernel/random/boot_id 2>/dev/null)"
}

# Every NVIDIA function: address vendor device class driver
pci_scan() {
    for device in "$pci"/*; do
        [ -r "$device/vendor" ] || continue
        read -r vendor <"$device/vendor"
        [ "$vendor" = 0x10de ] || continue
        read -r id <"$device/device"
        read -r class <"$device/class"
        driver=-
        [ ! -e "$device/driver" ] || driver=$(basename "$(readlink -f "$device/driver")")
        echo "${device##*/} $vendor $id $class $driver"
    done
    return 0
}

driver_version() {
    [ -r /proc/driver/nvidia/version ] || return 1
    head -c 4096 /proc/driver/nvidia/version
}

modules() {
    [ -r /proc/modules ] || return 1
    grep -E '^(nvidia|nouveau)' /proc/modules | head -c 65536
    return 0
}

module_file() {
    limited modinfo -F version nvidia
}

nodes() {
    for node in /dev/nvidia*; do
        [ -c "$node" ] && echo "$node"
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
    find /etc/containerd -name '*.toml' -newer /run/containerd/containerd.sock 2>/dev/null |
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

# stdout goes out as it comes; stderr and the status are kept aside for a section of their own.
smi() {
    smi_aside=$( { timeout -k 5 60 nvidia-smi -q -x >&5; echo "status=$?"; } 2>&1 )
    return "${smi_aside##*status=}"
}

smi_errors() {
    printf '%s\n' "${smi_aside%status=*}" | head -c 4096
}

look() {
    section facts facts
    section pci pci_scan
    section version driver_version
    section modules modules
    section modinfo module_file
    section chain chain
    section smi smi
    section smi_errors smi_errors
    section nodes nodes
    printf '==%s done\n' "$GPUC_NONCE"
}

# The script itself comes on stdin: nothing below may read it.
look 5>&1 </dev/null
exit 0
