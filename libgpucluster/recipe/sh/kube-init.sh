# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# The first control plane. CA, token and certificate key come from the library, so that nothing has to
# be read out of printed text.

probe() { probe_node; }

# Where the limit cannot be set (another network namespace), kube-proxy must not try.
proxy_settings() {
    gpuc_limit=/proc/sys/net/netfilter/nf_conntrack_max
    if [ -e "$gpuc_limit" ]; then
        gpuc_now=$(cat "$gpuc_limit")
        if ! { printf '%s' "$gpuc_now" >"$gpuc_limit"; } 2>/dev/null; then
            echo "conntrack: {maxPerCore: 0}"
            return 0
        fi
    elif in_container; then
        echo "conntrack: {maxPerCore: 0}"
        return 0
    fi
    if [ "$GPUC_CONTAINERS" = 1 ]; then echo "conntrack: {maxPerCore: 0}"; fi
}
sans() { printf '%s\n' "$GPUC_CERT_SANS" | tr ' ' '\n' | sed '/^$/d; s/.*/"&"/' | paste -sd, -; }
config_text() {
    cat <<YAML
apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
bootstrapTokens:
- token: "$GPUC_TOKEN"
  ttl: 24h0m0s
  usages: [signing, authentication]
  groups: ["system:bootstrappers:kubeadm:default-node-token"]
certificateKey: "$GPUC_CERTIFICATE_KEY"
localAPIEndpoint: {advertiseAddress: "$GPUC_NODE_IP", bindPort: 6443}
$(node_registration)
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
clusterName: "$GPUC_CLUSTER"
kubernetesVersion: "v$GPUC_K8S_VERSION"
controlPlaneEndpoint: "$GPUC_ENDPOINT"
networking: {podSubnet: "$GPUC_POD_SUBNET", serviceSubnet: "$GPUC_SERVICE_SUBNET"}
apiServer: {certSANs: [$(sans)]}
---
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
---
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
$(proxy_settings)
YAML
}
act() {
    refuse_foreign
    if [ "$(kube_mark)" = "done" ]; then
        start_kubelet
        return 0
    fi
    clean_interrupted
    own_tree /var/lib/etcd 0700
    record_network
    set_mark begun
    mkdir -p /etc/kubernetes/pki
    chmod 0755 /etc/kubernetes/pki
    (umask 077 && printf '%s\n' "$GPUC_CA_KEY" >/etc/kubernetes/pki/ca.key)
    printf '%s\n' "$GPUC_CA_CERT" >/etc/kubernetes/pki/ca.crt
    chmod 0644 /etc/kubernetes/pki/ca.crt
    write_patches
    (umask 077 && config_text >"$GPUC_DIR/tmp/kubeadm.yaml")
    run_kubeadm kubeadm init --config "$GPUC_DIR/tmp/kubeadm.yaml" --upload-certs --skip-token-print \
        --skip-certificate-key-print
    set_mark 'done'
}
undo() { reset_node; }
