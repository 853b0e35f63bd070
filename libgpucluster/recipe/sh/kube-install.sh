# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# kubelet, kubeadm and kubectl, and kubelet's unit with kubeadm's drop-in.

gpuc_unit=/etc/systemd/system/kubelet.service
gpuc_dropin=/etc/systemd/system/kubelet.service.d/10-kubeadm.conf

program_version() {
    case $1 in
    kubeadm) kubeadm version -o short ;;
    kubelet) kubelet --version | awk '{print $2}' ;;
    kubectl) kubectl version --client 2>/dev/null | sed -n 's/^Client Version: *//p' ;;
    esac
}
# The first of the three that is not there, or not of this version; foreign ones of another version
# are an error.
lacking() {
    for gpuc_program in kubeadm kubelet kubectl; do
        gpuc_path=$(command -v "$gpuc_program") || {
            echo "$gpuc_program is not there"
            return 0
        }
        gpuc_has=$(program_version "$gpuc_program")
        [ "$gpuc_has" = "v$GPUC_K8S_VERSION" ] && continue
        recorded created "$gpuc_path" || [ "$gpuc_program" = kubectl ] ||
            fail exists "$gpuc_path is $gpuc_has and was not installed by this library;" \
                "v$GPUC_K8S_VERSION is wanted"
        echo "$gpuc_program is ${gpuc_has:-broken}"
        return 0
    done
}
probe() {
    gpuc_lack=$(lacking)
    [ -z "$gpuc_lack" ] || needed "$gpuc_lack"
    systemctl cat kubelet.service 2>/dev/null | grep -q bootstrap-kubeconfig ||
        needed "kubelet's unit is not there"
    present "v$GPUC_K8S_VERSION"
}
unit_text() {
    cat <<UNIT
# Written by gpucluster.
[Unit]
Description=kubelet: The Kubernetes Node Agent
Documentation=https://kubernetes.io/docs/
Wants=network-online.target
After=network-online.target containerd.service

[Service]
ExecStart=$1
Restart=always
StartLimitInterval=0
RestartSec=10

[Install]
WantedBy=multi-user.target
UNIT
}
dropin_text() {
    cat <<UNIT
# Written by gpucluster; what kubeadm expects of kubelet's unit.
[Service]
Environment="KUBELET_KUBECONFIG_ARGS=--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf --kubeconfig=/etc/kubernetes/kubelet.conf"
Environment="KUBELET_CONFIG_ARGS=--config=/var/lib/kubelet/config.yaml"
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
EnvironmentFile=-/etc/default/kubelet
ExecStart=
ExecStart=$1 \$KUBELET_KUBECONFIG_ARGS \$KUBELET_CONFIG_ARGS \$KUBELET_KUBEADM_ARGS \$KUBELET_EXTRA_ARGS
UNIT
}
act() {
    for gpuc_tree in /etc/kubernetes /var/lib/kubelet /var/log/pods /var/log/containers \
        /usr/libexec/kubernetes; do
        own_tree "$gpuc_tree"
    done
    # kube-proxy mounts it from the host, and kubelet makes what is not there.
    make_dir /lib/modules
    gpuc_lack=$(lacking)
    if [ -n "$gpuc_lack" ]; then
        for gpuc_program in kubectl kubeadm kubelet; do
            gpuc_from=$(stored "$gpuc_program")
            install_file "$gpuc_from" "/usr/local/bin/$gpuc_program" 0755
        done
    fi
    gpuc_kubelet=$(command -v kubelet)
    if ! systemctl cat kubelet.service 2>/dev/null | grep -q bootstrap-kubeconfig; then
        unit_text "$gpuc_kubelet" | put_file "$gpuc_unit" 0644
        dropin_text "$gpuc_kubelet" | put_file "$gpuc_dropin" 0644
    fi
    systemctl daemon-reload
    unit_enable_only kubelet.service
    gpuc_lack=$(lacking)
    [ -z "$gpuc_lack" ] || fail kubernetes "after the installation $gpuc_lack"
}
# Enabled, but started by kubeadm: without its configuration kubelet would only fail and restart.
unit_enable_only() {
    systemctl is-enabled -q "$1" 2>/dev/null || record enabled "$1"
    systemctl enable -q "$1"
}
undo() {
    systemctl stop kubelet.service 2>/dev/null || :
    undo_ledger
}
