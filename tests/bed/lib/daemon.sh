# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The bed's own LXD daemon: started without systemd in its own directory, so
# that it lives beside any other LXD on the host and can be purged whole.

bed_lxc() { LXD_DIR=$BED_LXD_DIR lxc "$@"; }

bed_daemon_answers() {
    [ -S "$BED_SOCKET" ] || return 1
    curl -s --max-time 5 --unix-socket "$BED_SOCKET" http://lxd/1.0 2>/dev/null |
        grep -q '"status":"Success"'
}

# Daemons outlive the shell that starts them: a session of their own, no
# terminal, and none of this script's open files (the lock above all).
bed_daemon_start() {
    bed_daemon_answers && return 0
    mkdir -p "$BED_LXD_DIR"
    bed_lxcfs_start
    rm -f "$BED_SOCKET"
    LXD_DIR=$BED_LXD_DIR setsid nohup lxd --logfile "$BED_DIR/lxd.log" \
        >"$BED_DIR/lxd.out" 2>&1 </dev/null 9>&- &
    echo $! >"$BED_DIR/lxd.pid"
    LXD_DIR=$BED_LXD_DIR lxd waitready --timeout 90
    bed_daemon_answers
}

# lxcfs shows each machine its own memory and processors; the machines work
# without it, so a failure is not the bed's. A process that was killed leaves
# its mount behind, which answers nothing and cannot be mounted over.
bed_lxcfs_start() {
    stat /var/lib/lxcfs/proc >/dev/null 2>&1 || umount -l /var/lib/lxcfs 2>/dev/null || true
    mountpoint -q /var/lib/lxcfs 2>/dev/null && return 0
    mkdir -p /var/lib/lxcfs || return 0
    setsid nohup lxcfs /var/lib/lxcfs >"$BED_DIR/lxcfs.out" 2>&1 </dev/null 9>&- &
    echo $! >"$BED_DIR/lxcfs.pid"
}

# bed_subnet: a 10.x.y network of this host that no route uses yet.
bed_subnet() {
    local x y used
    used=$(ip -4 route show table all; ip -4 -o addr show)
    for x in 87 93 111 149 173; do
        for y in 21 77 133 201; do
            case $used in *"10.$x.$y."*) ;; *) echo "10.$x.$y"; return 0 ;; esac
        done
    done
    echo "no free 10.x.y.0/24 network among those tried" >&2
    return 1
}

bed_network() {
    local net
    bed_lxc storage show default >/dev/null 2>&1 || bed_lxc storage create default dir
    if ! bed_lxc network show "$BED_BRIDGE" >/dev/null 2>&1; then
        net=$(bed_subnet)
        bed_lxc network create "$BED_BRIDGE" "ipv4.address=$net.1/24" ipv4.nat=true \
            ipv6.address=none
    fi
    bed_lxc profile show default | grep -q 'path: /$' ||
        bed_lxc profile device add default root disk path=/ pool=default
    bed_lxc profile show default | grep -q "network: $BED_BRIDGE" ||
        bed_lxc profile device add default eth0 nic "network=$BED_BRIDGE" name=eth0
    sysctl -q -w net.ipv4.ip_forward=1 || true
    bed_raise fs.inotify.max_user_instances 2048
    bed_raise fs.inotify.max_user_watches 524288
}

# bed_raise NAME VALUE: the machines' root is the host's, so that all systemds,
# kubelets and containerds share one user's limits.
bed_raise() {
    [ "$(sysctl -n "$1")" -ge "$2" ] || sysctl -q -w "$1=$2" || true
}

# The bridge's address on the host, where the mirror listens.
bed_bridge_address() {
    bed_lxc network get "$BED_BRIDGE" ipv4.address | cut -d/ -f1
}

# bed_kill_recorded FILE WORD: ends the process whose id the bed wrote to FILE,
# if that process still is the one whose command line has WORD.
bed_kill_recorded() {
    local pid
    pid=$(cat "$BED_DIR/$1" 2>/dev/null) || return 0
    if grep -qa -- "$2" "/proc/$pid/cmdline" 2>/dev/null; then kill "$pid"; fi
    rm -f "$BED_DIR/$1"
}

# Machines are stopped with the daemon and kept.
bed_daemon_stop() {
    if bed_daemon_answers; then
        LXD_DIR=$BED_LXD_DIR timeout 120 lxd shutdown --timeout 90 || true
    fi
    bed_kill_recorded lxd.pid "$BED_DIR/lxd.log"
}

bed_down() {
    bed_mirror_stop
    bed_daemon_stop
    bed_kill_recorded lxcfs.pid lxcfs
    bed_say "the daemon and its machines are stopped; bed up starts the daemon again"
}

# Nothing is left but the cache; with --cache that goes too.
bed_purge() {
    local name
    bed_daemon_answers || bed_daemon_start || true
    bed_mirror_stop
    if bed_daemon_answers; then
        for name in $(bed_lxc list -f csv -c n); do bed_lxc delete -f "$name"; done
        for name in $(bed_lxc image list -f csv -c f); do bed_lxc image delete "$name"; done
        bed_lxc profile device remove default eth0 || true
        bed_lxc profile device remove default root || true
        bed_lxc network delete "$BED_BRIDGE" || true
        bed_lxc storage delete default || true
    fi
    bed_down
    case $BED_DIR in
        /*/*) umount "$BED_LXD_DIR/devlxd" "$BED_LXD_DIR/shmounts" 2>/dev/null || true
              rm -rf --one-file-system "$BED_DIR" ;;
    esac
    case ${1:-} in
        '') bed_say "purged; the cache stays in $BED_CACHE" ;;
        --cache) rm -rf --one-file-system "$BED_CACHE"; bed_say "purged, the cache too" ;;
    esac
}
