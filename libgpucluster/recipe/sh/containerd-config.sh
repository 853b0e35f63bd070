# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# The whole of containerd's configuration: in version 2 (containerd 1.x) a drop-in would replace the
# CRI table and lose the rest of it, so nothing is left to imports.

gpuc_config=/etc/containerd/config.toml

containerd_major() { containerd --version | awk '{sub(/^v/, "", $3); split($3, v, "."); print v[1]}'; }
pause_image() { kubeadm config images list --kubernetes-version "v$GPUC_K8S_VERSION" 2>/dev/null | grep /pause:; }
systemd_cgroup() { if [ "$(cgroup_version)" = 2 ]; then echo true; else echo false; fi; }
no_oom_adj() { if has_sys_resource; then echo false; else echo true; fi; }

# runtime TABLE NAME BINARY
runtime_table() {
    cat <<TOML

[plugins.$1.containerd.runtimes.$2]
  runtime_type = "io.containerd.runc.v2"
[plugins.$1.containerd.runtimes.$2.options]
  BinaryName = "$3"
  SystemdCgroup = $(systemd_cgroup)
TOML
}
runtimes() {
    runtime_table "$1" runc "$(command -v runc)"
    if have nvidia-container-runtime; then
        runtime_table "$1" nvidia "$(command -v nvidia-container-runtime)"
    fi
}
config_2() {
    cat <<TOML
# Written by gpucluster.
version = 2

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "$(pause_image)"
  restrict_oom_score_adj = $(no_oom_adj)
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "/opt/cni/bin"
  conf_dir = "/etc/cni/net.d"
[plugins."io.containerd.grpc.v1.cri".containerd]
  default_runtime_name = "runc"
TOML
    runtimes '"io.containerd.grpc.v1.cri"'
}
config_3() {
    cat <<TOML
# Written by gpucluster.
version = 3

[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = "$(pause_image)"

[plugins."io.containerd.cri.v1.runtime"]
  restrict_oom_score_adj = $(no_oom_adj)
[plugins."io.containerd.cri.v1.runtime".cni]
  bin_dirs = ["/opt/cni/bin"]
  conf_dir = "/etc/cni/net.d"
[plugins."io.containerd.cri.v1.runtime".containerd]
  default_runtime_name = "runc"
TOML
    runtimes '"io.containerd.cri.v1.runtime"'
}
config_text() { if [ "$(containerd_major)" -ge 2 ]; then config_3; else config_2; fi; }

probe() {
    if ! have containerd || ! have kubeadm; then needed "containerd is not installed yet"; fi
    gpuc_text=$(config_text)
    same_content "$gpuc_config" "$gpuc_text" || needed "$gpuc_config is not as wanted"
    # Written is not yet in use: the service must have been restarted since.
    cmp -s "$gpuc_config" "$GPUC_DIR/containerd.applied" || needed "containerd has not read it"
    systemctl is-active -q containerd.service || needed "containerd does not run"
    present "version $(printf '%s\n' "$gpuc_text" | sed -n 's/^version = //p')," \
        "SystemdCgroup $(systemd_cgroup)"
}
act() {
    gpuc_pause=$(pause_image) || fail notfound "kubeadm does not name a pause image"
    say "pause image $gpuc_pause"
    config_text >"$GPUC_DIR/tmp/config.toml"
    put_file "$gpuc_config" 0644 <"$GPUC_DIR/tmp/config.toml"
    unit_enable containerd.service
    systemctl restart containerd.service ||
        {
            journalctl -u containerd.service -n 20 --no-pager || :
            fail containerd "containerd does not start"
        }
    gpuc_try=0
    until ctr version >/dev/null 2>&1; do
        gpuc_try=$((gpuc_try + 1))
        if [ "$gpuc_try" -ge 60 ]; then
            journalctl -u containerd.service -n 20 --no-pager || :
            fail containerd "containerd does not answer on its socket"
        fi
        sleep 0.5
    done
    cp "$gpuc_config" "$GPUC_DIR/containerd.applied"
}
undo() {
    rm -f "$GPUC_DIR/containerd.applied"
    gpuc_restart=no
    if recorded changed "$gpuc_config"; then gpuc_restart=yes; fi
    undo_ledger
    # A containerd that was here before goes on with its own configuration.
    if [ "$gpuc_restart" = yes ] && systemctl is-active -q containerd.service; then
        systemctl restart containerd.service
    fi
}
