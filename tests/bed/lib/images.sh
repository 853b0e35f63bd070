# SPDX-License-Identifier: Apache-2.0
# The container images of the bundle, under the names upstream's manifests use.

BED_IPTABLES_DEBS="libc6 iptables libxtables12 libip4tc2 libip6tc2 libnftnl11 libmnl0
    libnfnetlink0 libnetfilter-conntrack3 conntrack nftables libnftables1 libgmp10
    libjansson4 libedit2 libbsd0 libmd0 libtinfo6"
BED_CUDA_DEBS="libc6 libtinfo6 bash zlib1g libexpat1 libffi8 python3.11-minimal
    libpython3.11-minimal libpython3.11-stdlib python3-minimal"

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

# The control plane: one layer with the one program and its links.
bed_images_kubernetes() { # FILE
    local v work name layer base ipt
    v=v$(bed_version kubernetes)
    work=$(mktemp -d "$BED_CACHE/work.XXXXXX")
    mkdir -p "$work/tree/usr/local/bin" "$work/a"
    cp "$BED_CACHE/bin/kubernetes" "$work/tree/usr/local/bin/kubernetes"
    for name in kube-apiserver kube-controller-manager kube-scheduler kube-proxy; do
        ln -s kubernetes "$work/tree/usr/local/bin/$name"
    done
    layer=$(bed_layer "$work/a" "$work/tree")
    mkdir -p "$work/base"
    bed_ca_file "$work/base"
    mkdir -p "$work/base/tmp" "$work/base/etc"
    chmod 1777 "$work/base/tmp"
    base=$(bed_layer "$work/a" "$work/base")
    for name in kube-apiserver kube-controller-manager kube-scheduler; do
        bed_image_add "$work/a" "registry.k8s.io/$name:$v" \
            "{$BED_RUN_PATH,\"Cmd\":[\"$name\"]}" "$base" "$layer"
    done
    bed_iptables_tree "$work/ipt"
    ipt=$(bed_layer "$work/a" "$work/ipt")
    bed_image_add "$work/a" "registry.k8s.io/kube-proxy:$v" "{$BED_RUN_PATH,\"Cmd\":[\"kube-proxy\"]}" "$ipt" "$layer"
    bed_images_flannel "$work" "$ipt"
    bed_archive_pack "$work/a" "$1"
    rm -rf "$work"
}

# flannel shares the layer with iptables, hence the archive.
bed_images_flannel() { # WORK IPTABLES-LAYER
    local layer cni
    mkdir -p "$1/flannel/opt/bin" "$1/cni"
    cp "$BED_CACHE/bin/flanneld" "$1/flannel/opt/bin/flanneld"
    layer=$(bed_layer "$1/a" "$1/flannel")
    bed_image_add "$1/a" "ghcr.io/flannel-io/flannel:v$(bed_version flannel)" \
        "{$BED_RUN_PATH,\"Entrypoint\":[\"/opt/bin/flanneld\"]}" "$2" "$layer"
    bed_busybox "$1/cni"
    cp "$BED_CACHE/bin/flannel-cni" "$1/cni/flannel"
    cni=$(bed_layer "$1/a" "$1/cni")
    bed_image_add "$1/a" "ghcr.io/flannel-io/flannel-cni-plugin:$(bed_version flannel_cni_image)" \
        "{$BED_RUN_PATH}" "$cni"
}

# etcd, CoreDNS and pause: a program each.
bed_images_small() { # FILE
    local work tree
    work=$(mktemp -d "$BED_CACHE/work.XXXXXX")
    tree=$work/etcd
    mkdir -p "$work/a" "$tree/usr/local/bin" "$tree/var/lib/etcd"
    cp "$BED_CACHE/bin/etcd" "$tree/usr/local/bin/etcd"
    bed_image_add "$work/a" "registry.k8s.io/etcd:$(bed_version etcd_image)" \
        "{$BED_RUN_PATH}" "$(bed_layer "$work/a" "$tree")"
    tree=$work/coredns
    mkdir -p "$tree"
    bed_ca_file "$tree"
    cp "$BED_CACHE/bin/coredns" "$tree/coredns"
    bed_image_add "$work/a" "registry.k8s.io/coredns/coredns:v$(bed_version coredns)" \
        "{$BED_RUN_PATH,\"Entrypoint\":[\"/coredns\"],\"User\":\"65532:65532\"}" \
        "$(bed_layer "$work/a" "$tree")"
    tree=$work/pause
    mkdir -p "$tree"
    cp "$BED_CACHE/bin/pause" "$tree/pause"
    bed_image_add "$work/a" "registry.k8s.io/pause:$(bed_version pause)" \
        "{$BED_RUN_PATH,\"Entrypoint\":[\"/pause\"],\"User\":\"65535:65535\"}" \
        "$(bed_layer "$work/a" "$tree")"
    bed_archive_pack "$work/a" "$1"
    rm -rf "$work"
}

# The GPU images: the device plugin stand-in, and a userland under the name of
# NVIDIA's CUDA image. As in reality neither holds a driver: nvidia-smi and the
# libraries come from the machine through the container runtime.
bed_images_gpu() { # FILE
    local work tree all='"NVIDIA_VISIBLE_DEVICES=all","NVIDIA_DRIVER_CAPABILITIES=compute,utility"'
    local env='"Env":["PATH=/usr/local/nvidia/bin:/usr/local/cuda/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",'$all']'
    work=$(mktemp -d "$BED_CACHE/work.XXXXXX")
    tree=$work/plugin
    mkdir -p "$work/a" "$tree/usr/bin"
    bed_busybox "$tree"
    cp "$BED_CACHE/bin/device-plugin" "$tree/usr/bin/nvidia-device-plugin"
    bed_image_add "$work/a" "nvcr.io/nvidia/k8s-device-plugin:v$(bed_version device_plugin)" \
        "{$env,\"Entrypoint\":[\"nvidia-device-plugin\"]}" "$(bed_layer "$work/a" "$tree")"
    tree=$work/cuda
    # shellcheck disable=SC2086 # a list of names
    bed_debs "$tree" $BED_CUDA_DEBS
    bed_busybox "$tree"
    ln -sf python3.11 "$tree/usr/bin/python3"
    bed_image_add "$work/a" "nvcr.io/nvidia/cuda:$(bed_version cuda_image)" \
        "{$env,\"Cmd\":[\"/bin/bash\"]}" "$(bed_layer "$work/a" "$tree")"
    bed_archive_pack "$work/a" "$1"
    rm -rf "$work"
}
