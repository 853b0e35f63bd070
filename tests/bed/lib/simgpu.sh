# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The machine image with the SIMULATED GPU: the plain one and the stand-ins.

# bed_standins DIR: the SIMULATED GPU's programs and libraries, into a root tree.
# The programs are static, so that they run in any container they are mounted in.
bed_standins() {
    local src=$BED_HOME/standin lib=$1/usr/lib/x86_64-linux-gnu so
    local flags=(-std=gnu11 -Wall -Wextra -Werror -O2 -s)
    mkdir -p "$1/usr/bin" "$lib"
    gcc "${flags[@]}" -static -o "$1/usr/bin/nvidia-smi" "$src/nvidia-smi.c" "$src/override.c" "$src/sim.c"
    for so in libcuda libnvidia-ml; do
        gcc "${flags[@]}" -fvisibility=hidden -shared -fPIC -Wl,-soname,"$so.so.1" \
            -o "$lib/$so.so.1" "$src/$so.c" "$src/sim.c"
    done
    install -m 0755 "$BED_CACHE/bin/nvidia-container-runtime" "$1/usr/bin/"
}

bed_image_simgpu_key() {
    { bed_image_base_key
      bed_tree_key machine/simgpu standin
      cat "$BED_CACHE/bin/nvidia-container-runtime.key"; } | sha256sum | cut -c1-16
}

bed_image_simgpu() {
    local key dir base
    key=$(bed_image_simgpu_key)
    dir=$BED_CACHE/machine/simgpu-$key
    base=$BED_CACHE/machine/base-$(bed_image_base_key)/rootfs
    bed_image_has "$BED_IMAGE_GPU" "$key" && return 0
    if [ ! -e "$dir/done" ]; then
        rm -rf "$dir"
        mkdir -p "$dir"
        cp -a "$base" "$dir/rootfs"
        cp -a --no-preserve=ownership "$BED_HOME/machine/simgpu/." "$dir/rootfs/"
        bed_standins "$dir/rootfs"
        chroot "$dir/rootfs" systemctl enable simulated-gpu
        chroot "$dir/rootfs" ldconfig
        bed_image_pack "$dir/rootfs" "$dir" "Debian 12 machine with a SIMULATED GPU"
        rm -rf "$dir/rootfs"
        touch "$dir/done"
    fi
    bed_image_import "$dir" "$BED_IMAGE_GPU" "$key"
}
