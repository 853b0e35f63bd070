# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# Every machine but the first control plane joins it: pinned by the CA's key, with the library's token.

probe() { probe_node; }

control_plane_part() {
    [ "$GPUC_ROLE" = control-plane ] || return 0
    cat <<YAML
controlPlane:
  localAPIEndpoint: {advertiseAddress: "$GPUC_NODE_IP", bindPort: 6443}
  certificateKey: "$GPUC_CERTIFICATE_KEY"
YAML
}
config_text() {
    cat <<YAML
apiVersion: kubeadm.k8s.io/v1beta4
kind: JoinConfiguration
discovery:
  bootstrapToken:
    apiServerEndpoint: "$GPUC_ENDPOINT"
    token: "$GPUC_TOKEN"
    caCertHashes: ["$GPUC_CA_HASH"]
$(node_registration)
$(control_plane_part)
YAML
}
act() {
    refuse_foreign
    if [ "$(kube_mark)" = "done" ]; then
        start_kubelet
        return 0
    fi
    clean_interrupted
    if [ "$GPUC_ROLE" = control-plane ]; then own_tree /var/lib/etcd 0700; fi
    record_network
    set_mark begun
    write_patches
    (umask 077 && config_text >"$GPUC_DIR/tmp/kubeadm.yaml")
    run_kubeadm kubeadm join --config "$GPUC_DIR/tmp/kubeadm.yaml"
    set_mark 'done'
}
undo() { reset_node; }
