# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# The CNI plugins that flannel's configuration names; flannel's own comes with its image.

missing_plugins() {
    for gpuc_plugin in bridge host-local loopback portmap; do
        [ -x "/opt/cni/bin/$gpuc_plugin" ] || printf '%s ' "$gpuc_plugin"
    done
}
probe() {
    gpuc_missing=$(missing_plugins)
    [ -n "$gpuc_missing" ] || present "bridge, host-local, loopback, portmap"
    needed "missing: $gpuc_missing"
}
act() {
    own_tree /opt/cni/bin
    own_tree /etc/cni/net.d
    own_tree /var/lib/cni 0700
    gpuc_archive=$(stored cni-plugins)
    gpuc_to=$GPUC_DIR/tmp/cni
    rm -rf "$gpuc_to"
    mkdir -p "$gpuc_to"
    tar -xzf "$gpuc_archive" -C "$gpuc_to"
    for gpuc_plugin in $(missing_plugins); do
        [ -e "$gpuc_to/$gpuc_plugin" ] || fail notfound "$gpuc_plugin is not in the archive"
        install_file "$gpuc_to/$gpuc_plugin" "/opt/cni/bin/$gpuc_plugin" 0755
    done
    rm -rf "$gpuc_to"
}
undo() { undo_ledger; }
