# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# On the emulated machine, as root, with the SIMULATED nvidia.ko in /var/tmp: a driver that is installed
# and can be loaded only after a restart, and a PCI bus that shows a GPU. `sh -s remove` takes it back.
set -eu
module=/lib/modules/$(uname -r)/updates/nvidia.ko
if [ "${1:-}" = remove ]; then
    systemctl disable -q --now simulated-pci.service
    umount /sys/bus/pci/devices 2>/dev/null || :
    rmmod nvidia 2>/dev/null || :
    rm -f "$module" /etc/modules-load.d/simulated-nvidia.conf /run/modprobe.d/simulated.conf \
        /etc/systemd/system/simulated-pci.service /usr/local/sbin/simulated-pci
    rmdir "${module%/*}" 2>/dev/null || :
    depmod
    systemctl daemon-reload
    exit 0
fi
mkdir -p "${module%/*}" /run/modprobe.d
mv /var/tmp/nvidia.ko "$module"
chown root:root "$module"
depmod
# As if nouveau held the device. /run does not outlive a restart, nor does this.
echo 'install nvidia /bin/false' >/run/modprobe.d/simulated.conf
echo nvidia >/etc/modules-load.d/simulated-nvidia.conf
cat >/usr/local/sbin/simulated-pci <<'PCI'
#!/bin/sh
# SIMULATED: the machine's PCI devices and one that says it is NVIDIA's.
mkdir -p /run/simulated-pci/0000:00:1f.7
for d in /sys/bus/pci/devices/*; do ln -sfn "$(readlink -f "$d")" "/run/simulated-pci/${d##*/}"; done
cd /run/simulated-pci/0000:00:1f.7
echo 0x10de >vendor; echo 0x1eb8 >device; echo 0x030200 >class
mount --bind /run/simulated-pci /sys/bus/pci/devices
PCI
chmod 0755 /usr/local/sbin/simulated-pci
cat >/etc/systemd/system/simulated-pci.service <<'UNIT'
[Unit]
Description=SIMULATED GPU on PCI
Before=ssh.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/sbin/simulated-pci
[Install]
WantedBy=multi-user.target
UNIT
systemctl daemon-reload
systemctl enable -q --now simulated-pci.service
