# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# What kube.init and kube.join share: kubelet's settings from the machine's facts, the mark that says
# whose doing a half-made node is, and the way back.

gpuc_mark=$GPUC_DIR/kube
gpuc_socket=unix:///run/containerd/containerd.sock

kube_mark() { cat "$gpuc_mark" 2>/dev/null || :; }
set_mark() {
    printf '%s\n' "$1" >"$gpuc_mark.new"
    mv -f "$gpuc_mark.new" "$gpuc_mark"
}
kubelet_runs() { [ "$(systemctl is-active kubelet.service 2>/dev/null)" = active ]; }

# Kubelet's settings that depend on the machine go into a kubeadm patch, so that machines of one
# cluster may differ.
kubelet_patch() {
    if [ "$(cgroup_version)" = 2 ]; then
        echo "cgroupDriver: systemd"
    else
        printf 'cgroupDriver: cgroupfs\nfailCgroupV1: false\n'
    fi
    # Only where it could not be turned off (os.swap).
    if swap_on; then echo "failSwapOn: false"; fi
}
write_patches() {
    mkdir -p "$GPUC_DIR/patches"
    kubelet_patch >"$GPUC_DIR/patches/kubeletconfiguration0+merge.yaml"
}
# Checks that cannot be passed on this machine although it works: in a container the kernel's
# configuration cannot be read.
ignored_checks() {
    gpuc_list=
    if in_container; then gpuc_list=SystemVerification; fi
    if [ "$(nproc)" -lt 2 ]; then gpuc_list="${gpuc_list:+$gpuc_list, }NumCPU"; fi
    if swap_on; then gpuc_list="${gpuc_list:+$gpuc_list, }Swap"; fi
    printf '[%s]' "$gpuc_list"
}
# A control plane's own taint is kubeadm's default, which a list replaces. Kubelet gives a worker its
# taints with its registration, before anything is scheduled there.
taints() {
    if [ "$GPUC_STARTUP_TAINT" != 1 ] || [ "$GPUC_GPUS" -eq 0 ]; then return 0; fi
    echo "  taints:"
    if [ "$GPUC_ROLE" = control-plane ]; then
        echo "  - {key: node-role.kubernetes.io/control-plane, effect: NoSchedule}"
    fi
    echo '  - {key: gpucluster/unproven, value: "true", effect: NoSchedule}'
}
node_registration() {
    cat <<YAML
nodeRegistration:
  name: "$GPUC_MACHINE"
  criSocket: "$gpuc_socket"
  imagePullPolicy: IfNotPresent
  kubeletExtraArgs:
  - {name: node-ip, value: "$GPUC_NODE_IP"}
  ignorePreflightErrors: $(ignored_checks)
$(taints)
patches: {directory: "$GPUC_DIR/patches"}
YAML
}
# What the network plugin and kube-proxy will add; only what is not there now is taken away later.
record_network() {
    for gpuc_link in cni0 flannel.1; do
        [ -e "/sys/class/net/$gpuc_link" ] || record link "$gpuc_link"
    done
    for gpuc_chain in KUBE- CNI- FLANNEL-; do
        iptables-save 2>/dev/null | grep -q "^:$gpuc_chain" || record rules "$gpuc_chain"
    done
    own_tree /run/flannel
}
# refuse_foreign: a node of somebody else's is not touched.
refuse_foreign() {
    [ -z "$(kube_mark)" ] || return 0
    for gpuc_file in admin.conf kubelet.conf manifests/kube-apiserver.yaml; do
        [ ! -e "/etc/kubernetes/$gpuc_file" ] ||
            fail exists "/etc/kubernetes/$gpuc_file is there and is not of this library's making"
    done
}
run_kubeadm() {
    gpuc_rc=0
    "$@" || gpuc_rc=$?
    rm -f "$GPUC_DIR/tmp/kubeadm.yaml"
    [ "$gpuc_rc" -eq 0 ] && return 0
    journalctl -u kubelet.service -n 8 --no-pager -o cat 2>/dev/null || :
    say "kubeadm ended with $gpuc_rc"
    exit 4
}
clean_interrupted() {
    [ "$(kube_mark)" = begun ] || return 0
    say "an earlier try was cut short: resetting the node"
    kubeadm reset -f --cri-socket "$gpuc_socket"
}
# The node is joined: what can be missing is kubelet.
start_kubelet() {
    systemctl restart kubelet.service
    gpuc_try=0
    until kubelet_runs; do
        gpuc_try=$((gpuc_try + 1))
        if [ "$gpuc_try" -ge 60 ]; then
            journalctl -u kubelet.service -n 20 --no-pager -o cat || :
            fail kubelet "kubelet does not run"
        fi
        sleep 0.5
    done
}
probe_node() {
    case $(kube_mark) in
    done) ;;
    begun) needed "an earlier try was cut short" ;;
    *)
        refuse_foreign
        needed "not a node yet"
        ;;
    esac
    [ -e /etc/kubernetes/kubelet.conf ] || [ -e /etc/kubernetes/bootstrap-kubelet.conf ] ||
        needed "kubelet.conf is not there"
    kubelet_runs || needed "kubelet does not run"
    present "node $GPUC_MACHINE"
}

drop_rules() {
    have "$1-save" || return 0
    gpuc_pattern=$(recorded_all rules | tr '\n' '|' | sed 's/|$//')
    [ -n "$gpuc_pattern" ] || return 0
    "$1-save" >"$GPUC_DIR/tmp/rules" 2>/dev/null || return 0
    grep -qE -- "$gpuc_pattern" "$GPUC_DIR/tmp/rules" || return 0
    grep -vE -- "$gpuc_pattern" "$GPUC_DIR/tmp/rules" | "$1-restore"
}
reset_node() {
    if [ -n "$(kube_mark)" ] && have kubeadm; then
        kubeadm reset -f --cri-socket "$gpuc_socket" ||
            fail kubernetes "kubeadm reset did not succeed"
    fi
    systemctl stop kubelet.service 2>/dev/null || :
    for gpuc_link in $(recorded_all link); do
        if [ -e "/sys/class/net/$gpuc_link" ]; then ip link delete "$gpuc_link" || :; fi
    done
    drop_rules iptables
    drop_rules ip6tables
    rm -rf "$GPUC_DIR/patches" "$GPUC_DIR/tmp/kubeadm.yaml"
    undo_ledger
    rm -f "$gpuc_mark"
}
