# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The machine image with the SIMULATED GPU: the plain one and the stand-ins.

BED_TOOLKIT="nvidia-ctk nvidia-container-runtime nvidia-cdi-hook"

# bed_standin_library DIR SONAME SOURCE…: as the driver names its libraries, with its version behind.
bed_standin_library() {
    local dir=$1 soname=$2 version
    shift 2
    version=$(sed -n 's/^#define SIM_DRIVER "\([0-9.]*\)".*/\1/p' "$BED_HOME/standin/sim.h")
    gcc -std=gnu11 -Wall -Wextra -Werror -O2 -s -fvisibility=hidden -shared -fPIC \
        "-Wl,-soname,$soname" -o "$dir/${soname%.1}.$version" "$@" "$BED_HOME/standin/sim.c"
    ln -sf "${soname%.1}.$version" "$dir/$soname"
}

# bed_standins DIR: the SIMULATED GPU's program and libraries, into a root tree. The program is static,
# so that it runs in any container that it is mounted in.
bed_standins() {
    local src=$BED_HOME/standin lib=$1/usr/lib/x86_64-linux-gnu
    mkdir -p "$1/usr/bin" "$lib"
    gcc -std=gnu11 -Wall -Wextra -Werror -O2 -s -static -o "$1/usr/bin/nvidia-smi" \
        "$src/nvidia-smi.c" "$src/override.c" "$src/sim.c"
    bed_standin_library "$lib" libcuda.so.1 "$src/libcuda.c"
    bed_standin_library "$lib" libnvidia-ml.so.1 "$src/libnvidia-ml.c" "$src/nvml-events.c"
}

# bed_toolkit DIR: NVIDIA's container toolkit as its package leaves it, but for the runc that it calls,
# and without what its "legacy" mode and its systemd units would need (README.md).
bed_toolkit() {
    local name
    for name in $BED_TOOLKIT simulated-gpu-runc; do
        install -m 0755 "$BED_CACHE/bin/$name" "$1/usr/bin/"
    done
    mkdir -p "$1/etc/nvidia-container-runtime"
    chroot "$1" nvidia-ctk config --set nvidia-container-runtime.runtimes=simulated-gpu-runc \
        --output /etc/nvidia-container-runtime/config.toml
}

bed_image_simgpu_key() {
    local name
    { bed_image_base_key
      bed_tree_key machine/simgpu standin lib/simgpu.sh
      for name in $BED_TOOLKIT simulated-gpu-runc; do cat "$BED_CACHE/bin/$name.key"; done
    } | sha256sum | cut -c1-16
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
        bed_toolkit "$dir/rootfs"
        chroot "$dir/rootfs" systemctl enable simulated-gpu
        chroot "$dir/rootfs" ldconfig
        bed_image_pack "$dir/rootfs" "$dir" "Debian 12 machine with a SIMULATED GPU"
        rm -rf "$dir/rootfs"
        touch "$dir/done"
    fi
    bed_image_import "$dir" "$BED_IMAGE_GPU" "$key"
}
