# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The machine images: a Debian 12 with systemd and sshd, and the same with the
# SIMULATED GPU. Each is made once per content of the files it is made from.

BED_IMAGE_PACKAGES=systemd,systemd-sysv,dbus,openssh-server,sudo,iproute2,ifupdown,isc-dhcp-client
BED_IMAGE_PACKAGES+=,ca-certificates,python3,curl,kmod,procps,netbase

# bed_apt_targets: "URI SUITE COMPONENT" of the host's own Debian 12 sources, or
# Debian's when the host has none, so that machines ask where the host asks.
bed_apt_targets() {
    local lines
    lines=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT) $(ORIGIN)' \
        'Created-By: Packages' | awk '$4 == "Debian" && $2 ~ /^bookworm/ && $3 == "main" \
        && $1 ~ /^https?:/ { print $1, $2, $3 }' | sort -u)
    grep -q ' bookworm main$' <<<"$lines" || lines='http://deb.debian.org/debian bookworm main
http://deb.debian.org/debian bookworm-updates main
http://deb.debian.org/debian-security bookworm-security main'
    printf '%s\n' "$lines"
}

bed_tree_key() { # a key of all files under the given paths, names and contents
    (cd "$BED_HOME" && find "$@" -type f -print0 | sort -z | xargs -0 sha256sum) |
        sha256sum | cut -c1-16
}

bed_debootstrap() { # DIR
    local uri debs=$BED_CACHE/debs
    uri=$(bed_apt_targets | awk '$2 == "bookworm" { print $1; exit }')
    mkdir -p "$debs"
    debootstrap --variant=minbase --cache-dir="$debs" --include="$BED_IMAGE_PACKAGES" \
        bookworm "$1" "$uri"
}

bed_rootfs_base() { # DIR: the finished root file system of the plain machine
    local root=$1
    bed_debootstrap "$root"
    cp -a --no-preserve=ownership "$BED_HOME/machine/base/." "$root/"
    chmod 0440 "$root/etc/sudoers.d/90-debian"
    bed_apt_targets |
        sed 's,^,deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ,' \
            >"$root/etc/apt/sources.list"
    # Whatever makes the host's apt accept its mirror's dates is needed here too.
    apt-config dump | grep -E '^Acquire::Check-(Valid-Until|Date) "false"' \
        >"$root/etc/apt/apt.conf.d/99bed" || rm -f "$root/etc/apt/apt.conf.d/99bed"
    chroot "$root" useradd -m -s /bin/bash -G sudo debian
    install -d -m 0700 "$root/root/.ssh"
    chroot "$root" install -d -m 0700 -o debian -g debian /home/debian/.ssh
    chroot "$root" systemctl enable networking ssh ssh-host-keys
    # binfmt_misc is the host's; the unit fails in a container.
    chroot "$root" systemctl mask systemd-binfmt.service
    rm -f "$root"/etc/ssh/ssh_host_* "$root/etc/hostname" "$root/var/lib/dbus/machine-id"
    : >"$root/etc/machine-id"
    rm -f "$root/etc/resolv.conf"
    : >"$root/etc/resolv.conf"
    rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/*.bin \
        "$root"/var/cache/apt/archives/*.deb "$root/usr/share/doc" "$root/usr/share/man"
}

# bed_image_pack ROOT DIR DESCRIPTION: meta.tar and rootfs.squashfs in DIR.
bed_image_pack() {
    local root=$1 dir=$2
    mkdir -p "$dir/meta/templates"
    cp "$BED_HOME"/machine/templates/* "$dir/meta/templates/"
    sed "s|@DESCRIPTION@|$3|" "$BED_HOME/machine/metadata.yaml" >"$dir/meta/metadata.yaml"
    tar -C "$dir/meta" -cf "$dir/meta.tar" metadata.yaml templates
    rm -rf "$dir/meta" "$dir/rootfs.squashfs"
    mksquashfs "$root" "$dir/rootfs.squashfs" -comp lz4 -noappend -no-progress -quiet
}

# bed_image_import DIR ALIAS KEY: into the daemon, replacing one of another key.
bed_image_import() {
    bed_lxc image delete "$2" >/dev/null 2>&1 || true
    bed_lxc image import "$1/meta.tar" "$1/rootfs.squashfs" --alias "$2" "bed.key=$3"
}

bed_image_has() { # ALIAS KEY
    bed_lxc image show "$1" 2>/dev/null | grep -q "bed.key: \"\\?$2\"\\?\$"
}

bed_image_base_key() {
    { bed_tree_key machine/base machine/templates machine/metadata.yaml lib/image.sh
      bed_apt_targets; } | sha256sum | cut -c1-16
}

bed_image_base() {
    local key dir
    key=$(bed_image_base_key)
    dir=$BED_CACHE/machine/base-$key
    bed_image_has "$BED_IMAGE" "$key" && return 0
    if [ ! -e "$dir/done" ]; then
        rm -rf "$dir"
        mkdir -p "$dir"
        bed_rootfs_base "$dir/rootfs"
        bed_image_pack "$dir/rootfs" "$dir" "Debian 12 machine of the test bed"
        touch "$dir/done"
    fi
    bed_image_import "$dir" "$BED_IMAGE" "$key"
}
