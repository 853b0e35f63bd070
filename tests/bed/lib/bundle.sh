# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The bundle: a directory with upstream's path layout, so that the same tree
# serves as a bundle and, over HTTP, as a mirror.

BED_BUNDLE=$BED_CACHE/bundle

bed_bundle_key() {
    { cat "$BED_CACHE"/bin/*.key "$BED_CACHE"/bin/cni/*.key
      bed_tree_key versions lib/bundle.sh lib/images.sh lib/archive.sh standin/pause.c
    } | sha256sum | cut -c1-16
}

# bed_bundle_binaries DIR
bed_bundle_binaries() {
    local dir=$1 v name rel work
    v=$(bed_version kubernetes)
    rel=$dir/dl.k8s.io/release/v$v/bin/linux/amd64
    mkdir -p "$rel"
    for name in kubeadm kubelet kubectl; do
        install -m 0755 "$BED_CACHE/bin/$name" "$rel/$name"
    done
    work=$(mktemp -d "$BED_CACHE/work.XXXXXX")
    mkdir -p "$work/bin"
    cp "$BED_CACHE"/bin/containerd "$BED_CACHE"/bin/containerd-shim-runc-v2 \
        "$BED_CACHE"/bin/ctr "$work/bin/"
    v=$(bed_version containerd)
    rel=$dir/github.com/containerd/containerd/releases/download/v$v
    mkdir -p "$rel"
    tar -C "$work" --owner=0 --group=0 -cf - bin | gzip -1 >"$rel/containerd-$v-linux-amd64.tar.gz"
    rm -rf "$work"
    v=$(bed_version runc)
    rel=$dir/github.com/opencontainers/runc/releases/download/v$v
    mkdir -p "$rel"
    install -m 0755 "$BED_CACHE/bin/runc" "$rel/runc.amd64"
    v=$(bed_version cni_plugins)
    rel=$dir/github.com/containernetworking/plugins/releases/download/v$v
    mkdir -p "$rel"
    tar -C "$BED_CACHE/bin/cni" --exclude='*.key' --owner=0 --group=0 -cf - . |
        gzip -1 >"$rel/cni-plugins-linux-amd64-v$v.tgz"
}

bed_bundle_manifest() { # DIR
    local entries='' archive ref
    for archive in control-plane node gpu; do
        for ref in $(tar -xOf "$1/images/$archive.tar" ./manifest.json |
            grep -o '"RepoTags":\["[^"]*"' | cut -d'"' -f4); do
            entries+="${entries:+,
    }{\"ref\": \"$ref\", \"archive\": \"images/$archive.tar\", \"for\": \"$archive\"}"
        done
    done
    cat >"$1/manifest.json" <<EOF
{
  "kubernetes": "$(bed_version kubernetes)",
  "containerd": "$(bed_version containerd)",
  "runc": "$(bed_version runc)",
  "cni_plugins": "$(bed_version cni_plugins)",
  "flannel": "$(bed_version flannel)",
  "flannel_cni": "$(bed_version flannel_cni_image)",
  "device_plugin": "$(bed_version device_plugin)",
  "etcd": "$(bed_version etcd_image)",
  "coredns": "$(bed_version coredns)",
  "pause": "$(bed_version pause)",
  "cuda": "$(bed_version cuda_image)",
  "python": "$(bed_version python_image)",
  "images": [
    $entries
  ],
  "simulated": [
    "the GPUs: nvidia-smi, libcuda.so.1 and libnvidia-ml.so.1 are stand-ins of the test bed, SIMULATED",
    "nvcr.io/nvidia/k8s-device-plugin: NVIDIA's device plugin v$(bed_version device_plugin) on Debian's C library",
    "nvidia-container-toolkit: NVIDIA's v$(bed_version nvidia_toolkit) without libnvidia-container (its mode legacy) and without nvidia-cdi-refresh",
    "runc under nvidia-container-runtime: simulated-gpu-runc of the test bed gives containers the SIMULATED GPU's settings, then calls runc",
    "nvcr.io/nvidia/cuda: a userland from Debian packages under the name of NVIDIA's image, without CUDA",
    "docker.io/library/python: Debian's python3 under the name of Python's image",
    "ghcr.io/flannel-io/flannel-cni-plugin: the plugin of containernetworking/plugins v$(bed_version flannel_cni)",
    "all programs are built from source by the test bed, none is upstream's binary"
  ]
}
EOF
}

bed_bundle_sums() { # DIR
    (cd "$1" && find . -type f ! -name SHA256SUMS -printf '%P\n' | sort |
        xargs sha256sum >SHA256SUMS)
}

bed_bundle() {
    local key new=$BED_CACHE/bundle.new
    key=$(bed_bundle_key)
    [ "$(cat "$BED_CACHE/bundle.key" 2>/dev/null)" = "$key" ] && return 0
    rm -rf "$new" "$BED_CACHE"/work.*
    mkdir -p "$new/images"
    bed_pause
    bed_bundle_binaries "$new"
    bed_images_control_plane "$new/images/control-plane.tar"
    bed_images_node "$new/images/node.tar"
    bed_images_gpu "$new/images/gpu.tar"
    bed_bundle_manifest "$new"
    bed_bundle_sums "$new"
    rm -rf "$BED_BUNDLE.old"
    [ ! -e "$BED_BUNDLE" ] || mv "$BED_BUNDLE" "$BED_BUNDLE.old"
    mv "$new" "$BED_BUNDLE"
    rm -rf "$BED_BUNDLE.old"
    printf '%s\n' "$key" >"$BED_CACHE/bundle.key"
}
