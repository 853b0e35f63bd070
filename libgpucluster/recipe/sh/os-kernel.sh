# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# overlay, br_netfilter and forwarding. Judged by what the kernel offers and not by what modprobe
# says: they may be built in, or belong to the host of a container.

gpuc_sysctl_file=/etc/sysctl.d/99-gpucluster.conf
gpuc_modules_file=/etc/modules-load.d/gpucluster.conf

has_overlay() { grep -qw overlay /proc/filesystems; }
has_bridge_filter() { [ -e /proc/sys/net/bridge/bridge-nf-call-iptables ]; }
loadable() { [ -d "/lib/modules/$(uname -r)" ] && ! in_container; }
wanted_keys() {
    echo net.ipv4.ip_forward
    if has_bridge_filter; then
        echo net.bridge.bridge-nf-call-iptables
        if [ -e /proc/sys/net/bridge/bridge-nf-call-ip6tables ]; then
            echo net.bridge.bridge-nf-call-ip6tables
        fi
    fi
}
wanted_text() {
    echo "# For Kubernetes; written by gpucluster."
    wanted_keys | sed 's/$/ = 1/'
}
probe() {
    has_overlay || needed "overlay is not there"
    has_bridge_filter || needed "br_netfilter is not there"
    for gpuc_key in $(wanted_keys); do
        [ "$(sysctl -n "$gpuc_key")" = 1 ] || needed "$gpuc_key is not 1"
    done
    # shellcheck disable=SC2310
    same_content "$gpuc_sysctl_file" "$(wanted_text)" || needed "$gpuc_sysctl_file is not written"
    if loadable && [ ! -e "$gpuc_modules_file" ]; then needed "$gpuc_modules_file is not written"; fi
    present "overlay, br_netfilter, ip_forward"
}
act() {
    if loadable; then
        put_file "$gpuc_modules_file" 0644 <<MODULES
# For Kubernetes; written by gpucluster.
overlay
br_netfilter
MODULES
    fi
    has_overlay || modprobe overlay 2>&1 || :
    has_overlay || fail kernel "the kernel has no overlay file system$(whose_kernel)"
    has_bridge_filter || modprobe br_netfilter 2>&1 || :
    has_bridge_filter || fail kernel "the kernel has no br_netfilter$(whose_kernel)"
    for gpuc_key in $(wanted_keys); do
        gpuc_was=$(sysctl -n "$gpuc_key")
        [ "$gpuc_was" = 1 ] && continue
        record sysctl "$gpuc_key=$gpuc_was"
        sysctl -q -w "$gpuc_key=1" || fail kernel "$gpuc_key cannot be set$(whose_kernel)"
    done
    wanted_text | put_file "$gpuc_sysctl_file" 0644
}
whose_kernel() { if in_container; then printf '; this is a container: load it on its host'; fi; }
undo() { undo_ledger; }
