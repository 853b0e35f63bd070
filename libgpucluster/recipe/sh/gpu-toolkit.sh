# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# NVIDIA's container toolkit, from NVIDIA's repository. containerd's configuration names it itself
# (containerd.config), so nvidia-ctk has nothing to write there.

probe() {
    if have nvidia-container-runtime; then
        gpuc_says=$(nvidia-ctk --version 2>/dev/null | head -n 1)
        present "${gpuc_says:-nvidia-container-runtime is there}"
    fi
    needed "no nvidia-container-runtime"
}
act() {
    have nvidia-container-runtime && return 0
    gpuc_repository=${GPUC_BASE_URL}nvidia.github.io/libnvidia-container
    gpuc_keyring=/etc/apt/keyrings/gpucluster-nvidia-container-toolkit.asc
    ledger_dir
    download "$gpuc_repository/gpgkey" "$GPUC_DIR/tmp/gpgkey" ||
        fail network "NVIDIA's package repository $gpuc_repository could not be reached"
    put_file "$gpuc_keyring" 0644 <"$GPUC_DIR/tmp/gpgkey"
    put_file /etc/apt/sources.list.d/gpucluster-nvidia-container-toolkit.list 0644 <<LIST
# Written by gpucluster.
deb [signed-by=$gpuc_keyring] $gpuc_repository/stable/deb/$(dpkg --print-architecture) /
LIST
    apt_update || fail network "NVIDIA's package repository $gpuc_repository could not be read"
    apt_install nvidia-container-toolkit
    apt_hold nvidia-container-toolkit
}
undo() { undo_ledger; }
