# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# `bed env`, and machines made by hand for the tests of `kind: ssh`.

bed_env() {
    local v
    v=$(bed_version kubernetes)
    cat <<EOF
export GPUC_BED_SOCKET=$BED_SOCKET
export GPUC_BED_BUNDLE=$BED_CACHE/bundle
export GPUC_BED_IMAGE=$BED_IMAGE
export GPUC_BED_IMAGE_GPU=$BED_IMAGE_GPU
export GPUC_BED_K8S_VERSION=$v
export GPUC_BED_KUBECTL=$BED_CACHE/bundle/dl.k8s.io/release/v$v/bin/linux/amd64/kubectl
export GPUC_BED_LXD_DIR=$BED_LXD_DIR
export GPUC_BED_MIRROR_PORT=$BED_MIRROR_PORT
EOF
    [ ! -x "$BED_CACHE/bin/helm" ] || echo "export GPUC_BED_HELM=$BED_CACHE/bin/helm"
    [ ! -x "$BED_CACHE/bin/tofu" ] || echo "export GPUC_BED_TOFU=$BED_CACHE/bin/tofu"
    [ ! -e "$(bed_tensorflow_archive)" ] ||
        echo "export GPUC_BED_TENSORFLOW=$(bed_tensorflow_archive)"
    return 0
}

# What a machine needs for a kubelet inside, on this host: see README.md.
bed_machine_config() {
    cat <<'EOF'
lxc.mount.auto=proc:rw sys:rw cgroup:rw:force
lxc.cap.drop=
lxc.cgroup.devices.allow=a
lxc.cgroup2.devices.allow=a
lxc.mount.entry=/dev/kmsg dev/kmsg none bind,create=file 0 0
EOF
    [ ! -d /sys/kernel/security/apparmor ] || echo 'lxc.apparmor.profile=unconfined'
}

bed_wait() { # SECONDS COMMAND…: until it succeeds
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$end" ] || { echo "no success in time: $*" >&2; return 1; }
        sleep 0.3
    done
}

bed_machine_address() { # NAME
    bed_lxc list "^$1\$" -f csv -c 4 | grep -o '[0-9][0-9.]*[0-9] (eth0)' | cut -d' ' -f1
}

bed_machine_has_address() { [ -n "$(bed_machine_address "$1")" ]; }

# bed machine NAME [--gpu] [--key FILE.pub] [--cpus N] [--memory M]
bed_machine() {
    local name='' image=$BED_IMAGE key='' memory=3GiB cpus='' dir
    while [ $# -gt 0 ]; do
        case $1 in
            --gpu) image=$BED_IMAGE_GPU ;;
            --key) key=$2; shift ;;
            --memory) memory=$2; shift ;;
            --cpus) cpus=$2; shift ;;
            -*) bed_die "bed machine: unknown option $1" ;;
            *) name=$1 ;;
        esac
        shift
    done
    [ -n "$name" ] || bed_die "usage: bed machine NAME [--gpu] [--key FILE.pub]"
    bed_daemon_answers || bed_die "the LXD daemon does not run: bed up"
    bed_lxc init "$image" "$name" -c security.privileged=true -c security.nesting=true \
        -c "limits.memory=$memory" ${cpus:+-c "limits.cpu=$cpus"} -c user.gpucluster-bed=hand \
        -c "raw.lxc=$(bed_machine_config)" >/dev/null
    if [ -n "$key" ]; then
        dir=/home/debian/.ssh/authorized_keys
        bed_lxc file push --mode 0600 --uid 1000 --gid 1000 "$key" "$name$dir" >/dev/null
    fi
    bed_lxc start "$name"
    bed_wait 60 bed_machine_has_address "$name"
    bed_wait 60 bed_lxc file pull "$name/etc/ssh/ssh_host_ed25519_key.pub" -
    printf 'name %s\naddress %s\nhost_key %s\n' "$name" "$(bed_machine_address "$name")" \
        "$(bed_lxc file pull "$name/etc/ssh/ssh_host_ed25519_key.pub" - | cut -d' ' -f1,2)"
}

bed_rm() {
    [ $# -gt 0 ] || bed_die "usage: bed rm NAME…"
    bed_lxc delete -f "$@"
}
