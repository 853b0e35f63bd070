# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Container images without a registry: docker-archive tars written by hand from
# directory trees. Layers are shared between the images of one archive.

# bed_layer WORK DIR: adds DIR as a layer to the archive being made in WORK and
# prints its digest. The same tree gives the same digest every time.
bed_layer() {
    local tmp=$1/layer.tmp sum
    tar -C "$2" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf "$tmp" .
    sum=$(sha256sum "$tmp" | cut -d' ' -f1)
    mv "$tmp" "$1/$sum.tar"
    printf '%s\n' "$sum"
}

bed_json_list() { # WORD…: a JSON list of strings; the bed's own words need no escapes
    local out='' word
    for word in "$@"; do out+=${out:+,}\"$word\"; done
    printf '[%s]' "$out"
}

# bed_image_add WORK REF CONFIG DIGEST…: one image of the given layers; CONFIG is
# the JSON of its run settings ({"Cmd":…}).
bed_image_add() {
    local work=$1 ref=$2 config=$3 json sum layer layers=() diffs=()
    shift 3
    for layer in "$@"; do
        layers+=("$layer.tar")
        diffs+=("sha256:$layer")
    done
    json=$(printf '{"architecture":"amd64","os":"linux","config":%s,"rootfs":{"type":"layers","diff_ids":%s}}' \
        "$config" "$(bed_json_list "${diffs[@]}")")
    sum=$(printf '%s' "$json" | sha256sum | cut -d' ' -f1)
    printf '%s' "$json" >"$work/$sum.json"
    printf '{"Config":"%s.json","RepoTags":["%s"],"Layers":%s}\n' "$sum" "$ref" \
        "$(bed_json_list "${layers[@]}")" >>"$work/entries"
}

# bed_archive_pack WORK FILE: the finished docker-archive.
bed_archive_pack() {
    { printf '['; paste -sd, "$1/entries"; printf ']\n'; } >"$1/manifest.json"
    rm -f "$1/entries"
    tar -C "$1" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf "$2.tmp" .
    mv "$2.tmp" "$2"
}

# bed_debs DIR PACKAGE…: unpacks Debian packages (no scripts are run) into DIR;
# the files come through apt, checked by it, and are kept in the cache.
bed_debs() {
    local dir=$1 debs=$BED_CACHE/debs p file
    shift
    mkdir -p "$dir" "$debs"
    for p in "$@"; do
        file=$(find "$debs" -maxdepth 1 -name "${p}_*.deb" | sort | tail -n 1)
        if [ -z "$file" ]; then
            (cd "$debs" && apt-get download -o APT::Sandbox::User=root "$p")
            file=$(find "$debs" -maxdepth 1 -name "${p}_*.deb" | sort | tail -n 1)
        fi
        dpkg-deb -x "$file" "$dir"
    done
    rm -rf "$dir/usr/share/doc" "$dir/usr/share/man" "$dir/usr/share/locale" \
        "$dir/usr/share/lintian" "$dir/usr/share/bash-completion"
}

# bed_usrmerge DIR: /bin, /lib and so on as links into /usr, as Debian has them.
bed_usrmerge() {
    local d
    for d in bin sbin lib lib64; do
        mkdir -p "$1/usr/$d"
        if [ -d "$1/$d" ] && [ ! -L "$1/$d" ]; then
            cp -a "$1/$d/." "$1/usr/$d/"
            rm -rf "${1:?}/$d"
        fi
        [ -L "$1/$d" ] || ln -s "usr/$d" "$1/$d"
    done
}

bed_busybox() { # DIR: static busybox with the names scripts want
    local name
    mkdir -p "$1/usr/bin" "$1/tmp" "$1/etc"
    chmod 1777 "$1/tmp"
    bed_usrmerge "$1"
    install -m 0755 /bin/busybox "$1/usr/bin/busybox"
    for name in $(/bin/busybox --list); do
        [ -e "$1/usr/bin/$name" ] || [ -e "$1/usr/sbin/$name" ] ||
            ln -s busybox "$1/usr/bin/$name"
    done
    printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n' >"$1/etc/passwd"
    printf 'root:x:0:\nnogroup:x:65534:\n' >"$1/etc/group"
}
