# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# The machine's own name resolves on it: kubeadm and kubelet ask.

probe() {
    if getent hosts "$(hostname)" >/dev/null; then
        present "$(hostname) is $(getent hosts "$(hostname)" | awk 'NR == 1 {print $1}')"
    fi
    needed "$(hostname) does not resolve"
}
act() {
    getent hosts "$(hostname)" >/dev/null && return 0
    record line /etc/hosts
    printf '127.0.1.1\t%s\t# gpucluster\n' "$(hostname)" >>/etc/hosts
    getent hosts "$(hostname)" >/dev/null || fail hosts "$(hostname) does not resolve still"
}
undo() {
    # Only the line: the rest of the file may have been edited since.
    if recorded line /etc/hosts; then
        gpuc_hosts=$(sed '/\t# gpucluster$/d' /etc/hosts)
        printf '%s\n' "$gpuc_hosts" >/etc/hosts
    fi
    undo_ledger
}
