# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The container images of the bundle, under the names upstream's manifests use.

BED_IPTABLES_DEBS="libc6 iptables libxtables12 libip4tc2 libip6tc2 libnftnl11 libmnl0
    libnfnetlink0 libnetfilter-conntrack3 conntrack nftables libnftables1 libgmp10
    libjansson4 libedit2 libbsd0 libmd0 libtinfo6"
BED_CUDA_DEBS="libc6 libtinfo6 bash"
BED_PYTHON_DEBS="zlib1g libexpat1 libffi8 python3.11-minimal libpython3.11-minimal
    libpython3.11-stdlib python3-minimal"

BED_RUN_PATH='"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]'

bed_ca_file() { # DIR: certificate authorities, as upstream's images carry
    install -D -m 0644 /etc/ssl/certs/ca-certificates.crt "$1/etc/ssl/certs/ca-certificates.crt"
}

bed_iptables_tree() { # DIR
    # shellcheck disable=SC2086 # a list of names
    bed_debs "$1" $BED_IPTABLES_DEBS
    bed_busybox "$1"
    bed_ca_file "$1"
    local name
    for name in iptables iptables-save iptables-restore ip6tables ip6tables-save \
        ip6tables-restore; do
        ln -sf xtables-nft-multi "$1/usr/sbin/$name"
    done
}

# bed_program_layer WORK NAME PATH: a layer with one of the built programs.
bed_program_layer() {
    local tree
    tree=$(mktemp -d "$BED_CACHE/work.tree.XXXXXX")
    chmod 0755 "$tree"
    bed_ca_file "$tree"
    mkdir -p "$tree/tmp"
    chmod 1777 "$tree/tmp"
    install -D -m 0755 "$BED_CACHE/bin/$2" "$tree$3"
    bed_layer "$1" "$tree"
    rm -rf "$tree"
}

# The control plane's machine alone: the three components share one layer.
bed_images_control_plane() { # FILE
    local v work name layer links
    v=v$(bed_version kubernetes)
    work=$(mktemp -d "$BED_CACHE/work.XXXXXX")
    mkdir -p "$work/a" "$work/links/usr/local/bin"
    layer=$(bed_program_layer "$work/a" kube-control-plane /usr/local/bin/kube-control-plane)
    for name in kube-apiserver kube-controller-manager kube-scheduler; do
        ln -s kube-control-plane "$work/links/usr/local/bin/$name"
    done
    links=$(bed_layer "$work/a" "$work/links")
    for name in kube-apiserver kube-controller-manager kube-scheduler; do
        bed_image_add "$work/a" "registry.k8s.io/$name:$v" \
            "{$BED_RUN_PATH,\"Cmd\":[\"$name\"]}" "$layer" "$links"
    done
    bed_image_add "$work/a" "registry.k8s.io/etcd:$(bed_version etcd_image)" \
        "{$BED_RUN_PATH}" "$(bed_program_layer "$work/a" etcd /usr/local/bin/etcd)"
    bed_archive_pack "$work/a" "$1"
    rm -rf "$work"
}

# Every machine: kube-proxy and flannel over one layer with iptables, the rest
# small.
bed_images_node() { # FILE
    local work ipt
    work=$(mktemp -d "$BED_CACHE/work.XXXXXX")
    mkdir -p "$work/a" "$work/cni"
    bed_iptables_tree "$work/ipt"
    ipt=$(bed_layer "$work/a" "$work/ipt")
    bed_image_add "$work/a" "registry.k8s.io/kube-proxy:v$(bed_version kubernetes)" \
        "{$BED_RUN_PATH,\"Cmd\":[\"kube-proxy\"]}" "$ipt" \
        "$(bed_program_layer "$work/a" kube-proxy /usr/local/bin/kube-proxy)"
    bed_image_add "$work/a" "ghcr.io/flannel-io/flannel:v$(bed_version flannel)" \
        "{$BED_RUN_PATH,\"Entrypoint\":[\"/opt/bin/flanneld\"]}" "$ipt" \
        "$(bed_program_layer "$work/a" flanneld /opt/bin/flanneld)"
    bed_busybox "$work/cni"
    bed_image_add "$work/a" "ghcr.io/flannel-io/flannel-cni-plugin:$(bed_version flannel_cni_image)" \
        "{$BED_RUN_PATH}" "$(bed_layer "$work/a" "$work/cni")" \
        "$(bed_program_layer "$work/a" flannel-cni /flannel)"
    bed_image_add "$work/a" "registry.k8s.io/coredns/coredns:v$(bed_version coredns)" \
        "{$BED_RUN_PATH,\"Entrypoint\":[\"/coredns\"],\"User\":\"65532:65532\"}" \
        "$(bed_program_layer "$work/a" coredns /coredns)"
    bed_image_add "$work/a" "registry.k8s.io/pause:$(bed_version pause)" \
        "{$BED_RUN_PATH,\"Entrypoint\":[\"/pause\"],\"User\":\"65535:65535\"}" \
        "$(bed_program_layer "$work/a" pause /pause)"
    bed_archive_pack "$work/a" "$1"
    rm -rf "$work"
}

# The GPU images: NVIDIA's device plugin with the C library that it needs, a
# userland under the name of NVIDIA's CUDA image, and over it one with python3
# under the name of Python's, for the compute probe. As in reality none holds a
# driver: nvidia-smi and the libraries come from the machine through the
# container runtime.
bed_images_gpu() { # FILE
    local work tree userland all='"NVIDIA_VISIBLE_DEVICES=all","NVIDIA_DRIVER_CAPABILITIES=compute,utility"'
    local env='"Env":["PATH=/usr/local/nvidia/bin:/usr/local/cuda/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",'$all']'
    work=$(mktemp -d "$BED_CACHE/work.XXXXXX")
    tree=$work/plugin
    mkdir -p "$work/a" "$tree/usr/bin"
    bed_debs "$tree" libc6
    bed_busybox "$tree"
    cp "$BED_CACHE/bin/nvidia-device-plugin" "$tree/usr/bin/"
    bed_image_add "$work/a" "nvcr.io/nvidia/k8s-device-plugin:v$(bed_version device_plugin)" \
        "{$env,\"Entrypoint\":[\"nvidia-device-plugin\"]}" "$(bed_layer "$work/a" "$tree")"
    tree=$work/cuda
    # shellcheck disable=SC2086 # a list of names
    bed_debs "$tree" $BED_CUDA_DEBS
    bed_busybox "$tree"
    userland=$(bed_layer "$work/a" "$tree")
    bed_image_add "$work/a" "nvcr.io/nvidia/cuda:$(bed_version cuda_image)" \
        "{$env,\"Cmd\":[\"/bin/bash\"]}" "$userland"
    tree=$work/python
    # shellcheck disable=SC2086 # a list of names
    bed_debs "$tree" $BED_PYTHON_DEBS
    bed_usrmerge "$tree"
    ln -sf python3.11 "$tree/usr/bin/python3"
    bed_image_add "$work/a" "docker.io/library/python:$(bed_version python_image)" \
        "{$BED_RUN_PATH,\"Cmd\":[\"python3\"]}" "$userland" "$(bed_layer "$work/a" "$tree")"
    bed_archive_pack "$work/a" "$1"
    rm -rf "$work"
}
