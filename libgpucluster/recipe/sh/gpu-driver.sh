# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# The NVIDIA driver, where PCI shows a GPU and no driver works. GPUC_GPU_DRIVER is a branch or "none",
# GPUC_GPU_OPEN 1 for the open kernel modules: both chosen by GPU generation before this runs.

smi_works() { have nvidia-smi && timeout -k 5 60 nvidia-smi -L 2>/dev/null | grep -q '^GPU '; }
installed_version() { modinfo -F version nvidia 2>/dev/null | head -n 1; }

probe() {
    gpuc_count=$(gpu_count)
    [ "$gpuc_count" -gt 0 ] || fail gpu "the spec says $GPUC_GPUS GPUs, PCI shows none of NVIDIA's"
    if smi_works; then
        gpuc_seen=$(timeout -k 5 60 nvidia-smi -L 2>/dev/null | grep -c '^GPU ')
        [ "$gpuc_seen" -ge "$GPUC_GPUS" ] ||
            fail gpu "the spec says $GPUC_GPUS GPUs, nvidia-smi shows $gpuc_seen ($gpuc_count on PCI)"
        if simulated_gpu; then present "SIMULATED GPU: stand-in nvidia-smi"; fi
        present "nvidia-smi works, $gpuc_count on PCI"
    fi
    [ "$GPUC_GPU_DRIVER" != none ] ||
        fail gpu "nvidia-smi does not work, and the spec says gpu.driver: none"
    [ -z "$(installed_version)" ] || present "$(installed_version) is installed, not yet in use"
    needed "no driver; branch $GPUC_GPU_DRIVER will be installed"
}

# Modules built on the machine are not signed with a key that the firmware knows, unless its owner
# enrolled one.
check_secure_boot() {
    gpuc_efi=$(find /sys/firmware/efi/efivars -name 'SecureBoot-*' 2>/dev/null | head -n 1)
    [ -n "$gpuc_efi" ] || return 0
    [ "$(od -An -t u1 -j 4 -N 1 "$gpuc_efi" | tr -d ' ')" = 1 ] || return 0
    for gpuc_key in /var/lib/shim-signed/mok/MOK.der /var/lib/dkms/mok.pub; do
        if [ -e "$gpuc_key" ] && have mokutil &&
            mokutil --test-key "$gpuc_key" 2>/dev/null | grep -qi 'already enrolled'; then
            return 0
        fi
    done
    fail secureboot "Secure Boot is on and would refuse a driver module built on this machine"
}
flavour() { if [ "$GPUC_GPU_OPEN" = 1 ]; then printf '%s' "$1"; fi; }

ubuntu_driver() {
    # Built and signed by Canonical for this very kernel: no compiler, no key to enrol.
    gpuc_open=$(flavour -open)
    gpuc_server=$GPUC_GPU_DRIVER-server
    apt_install "linux-modules-nvidia-$gpuc_server$gpuc_open-$(uname -r)" \
        "nvidia-headless-no-dkms-$gpuc_server$gpuc_open" "nvidia-utils-$gpuc_server" \
        "libnvidia-compute-$gpuc_server"
    apt_hold "linux-modules-nvidia-$gpuc_server$gpuc_open-$(uname -r)" \
        "nvidia-headless-no-dkms-$gpuc_server$gpuc_open" "nvidia-utils-$gpuc_server"
}
# Debian's own packages for the branches it has; else NVIDIA's repository.
debian_driver() {
    check_secure_boot
    apt_install "linux-headers-$(uname -r)"
    case $(os_id)/$GPUC_GPU_DRIVER in
    debian-12/470)
        debian_nonfree
        debian_packages nvidia-tesla-470-kernel-dkms nvidia-tesla-470-smi libnvidia-tesla-470-cuda1 \
            libnvidia-tesla-470-ptxjitcompiler1
        ;;
    debian-12/535)
        debian_nonfree
        debian_packages "$(if [ "$GPUC_GPU_OPEN" = 1 ]; then
            echo nvidia-open-kernel-dkms
        else echo nvidia-kernel-dkms; fi)" nvidia-smi libcuda1 libnvidia-ptxjitcompiler1
        ;;
    *) nvidia_repository ;;
    esac
}
debian_packages() {
    apt_update
    apt_install "$@"
    apt_hold "$@"
}
debian_nonfree() {
    # shellcheck disable=SC2016 # apt's own variables
    gpuc_source=$(apt-get indextargets --format '$(REPO_URI) $(CODENAME)' \
        'Created-By: Packages' 'Component: main' 2>/dev/null | awk '$2 !~ /-/ {print; exit}')
    [ -n "$gpuc_source" ] || fail packages "the machine's Debian mirror could not be found out"
    printf '# Written by gpucluster.\ndeb %s contrib non-free non-free-firmware\n' "$gpuc_source" |
        put_file /etc/apt/sources.list.d/gpucluster-nonfree.list 0644
}
nvidia_repository() {
    gpuc_arch=$(uname -m | sed 's/aarch64/sbsa/')
    gpuc_url=${GPUC_BASE_URL}developer.download.nvidia.com/compute/cuda/repos
    gpuc_url=$gpuc_url/$(os_id | tr -d '-.')/$gpuc_arch
    download "$gpuc_url/cuda-keyring_1.1-1_all.deb" "$GPUC_DIR/tmp/cuda-keyring.deb" ||
        fail network "NVIDIA's package repository $gpuc_url could not be reached"
    package_there cuda-keyring || record package cuda-keyring
    apt_locked install "$GPUC_DIR/tmp/cuda-keyring.deb" || fail packages "cuda-keyring"
    apt_update || fail network "NVIDIA's package repository could not be read"
    if [ "$GPUC_GPU_OPEN" = 1 ]; then
        debian_packages "nvidia-open-$GPUC_GPU_DRIVER"
    else
        debian_packages "cuda-drivers-$GPUC_GPU_DRIVER"
    fi
}
act() {
    if smi_works; then return 0; fi
    in_container && fail unsupported "this is a container: its driver is its host's"
    case $GPUC_GPU_DRIVER in
    [0-9][0-9][0-9]) ;;
    *) fail gpu "no driver branch was chosen for this machine's GPUs ($GPUC_GPU_DRIVER)" ;;
    esac
    put_file /etc/modprobe.d/gpucluster-nouveau.conf 0644 <<CONF
# Written by gpucluster: nouveau and NVIDIA's driver exclude each other.
blacklist nouveau
options nouveau modeset=0
CONF
    case $(os_id) in
    ubuntu-*) ubuntu_driver ;;
    *) debian_driver ;;
    esac
    if have update-initramfs; then update-initramfs -u; fi
    [ -n "$(installed_version)" ] || fail gpu "the packages are in, but there is no nvidia module"
    # Where nouveau is bound this cannot work yet: gpu.reboot follows.
    modprobe nvidia 2>&1 || say "the module does not load yet"
    modprobe nvidia-uvm 2>&1 || :
    if systemctl cat nvidia-persistenced.service >/dev/null 2>&1; then
        unit_enable nvidia-persistenced.service
        systemctl start nvidia-persistenced.service || :
    fi
}
undo() {
    if [ "$GPUC_PURGE_DRIVER" = 1 ]; then
        undo_ledger
        if have update-initramfs; then update-initramfs -u; fi
        return 0
    fi
    # The driver stays; the holds were ours.
    for gpuc_package in $(recorded_all hold); do
        apt-mark unhold "$gpuc_package" >/dev/null
    done
    rm -f "$GPUC_DIR/ledger/$GPUC_STEP"
}
