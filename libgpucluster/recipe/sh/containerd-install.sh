# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# containerd and runc from their release files. A containerd that was there before is used when it is
# new enough, and otherwise left alone: others' containers may run in it.

containerd_version() { containerd --version 2>/dev/null | awk '{sub(/^v/, "", $3); print $3}'; }
runtime_there() {
    if ! have containerd || ! have runc; then return 1; fi
    version_at_least "$(containerd_version)" "$GPUC_CONTAINERD_MIN"
}
foreign() { have containerd && ! recorded created "$(command -v containerd)"; }

probe() {
    if runtime_there && systemctl cat containerd.service >/dev/null 2>&1; then
        present "containerd $(containerd_version) at $(command -v containerd)"
    fi
    if foreign; then
        fail exists "containerd $(containerd_version) at $(command -v containerd) is older than" \
            "$GPUC_CONTAINERD_MIN, which Kubernetes $GPUC_K8S_VERSION needs"
    fi
    needed "no containerd"
}
unit_text() {
    cat <<UNIT
# Written by gpucluster.
[Unit]
Description=containerd container runtime
Documentation=https://containerd.io
After=network.target local-fs.target

[Service]
ExecStartPre=-/sbin/modprobe overlay
ExecStart=/usr/local/bin/containerd
Type=notify
Delegate=yes
KillMode=process
Restart=always
RestartSec=5
LimitNPROC=infinity
LimitCORE=infinity
TasksMax=infinity
UNIT
    # systemd cannot lower it without the capability, and the unit would not start.
    if has_sys_resource; then
        printf 'LimitNOFILE=infinity\nOOMScoreAdjust=-999\n'
    fi
    printf '\n[Install]\nWantedBy=multi-user.target\n'
}
act() {
    foreign && return 0
    own_tree /var/lib/containerd 0711
    own_tree /opt/containerd
    own_tree /run/containerd 0711
    gpuc_archive=$(stored containerd)
    gpuc_runc=$(stored runc)
    gpuc_to=$GPUC_DIR/tmp/containerd
    rm -rf "$gpuc_to"
    mkdir -p "$gpuc_to"
    tar -xzf "$gpuc_archive" -C "$gpuc_to" bin/containerd bin/containerd-shim-runc-v2 bin/ctr
    for gpuc_program in containerd-shim-runc-v2 ctr containerd; do
        install_file "$gpuc_to/bin/$gpuc_program" "/usr/local/bin/$gpuc_program" 0755
    done
    rm -rf "$gpuc_to"
    have runc || install_file "$gpuc_runc" /usr/local/sbin/runc 0755
    unit_text | put_file /etc/systemd/system/containerd.service 0644
    systemctl daemon-reload
}
# Containers that kubeadm reset did not know of, and the mounts they leave.
stop_containers() {
    have ctr || return 0
    gpuc_tasks=$(ctr -n k8s.io task ls -q 2>/dev/null) || return 0
    for gpuc_task in $gpuc_tasks; do
        ctr -n k8s.io task kill -s KILL "$gpuc_task" 2>/dev/null || :
    done
}
undo() {
    if recorded tree /var/lib/containerd; then
        stop_containers
        systemctl disable -q --now containerd.service 2>/dev/null || :
        findmnt -rno TARGET | grep -E '^/(run|var/lib)/containerd/' | sort -r |
            while read -r gpuc_mount; do umount -l "$gpuc_mount" || :; done
    fi
    undo_ledger
}
