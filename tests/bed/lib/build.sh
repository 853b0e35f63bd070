# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Programs built from Go modules, each kept in the cache under a key of all that
# decides its contents.

BED_GO_NEEDED=1.26.6

bed_version_at_least() { # VERSION NEEDED
    [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]
}

# bed_go_find: sets GO to a Go new enough, or fails.
bed_go_find() {
    local go v
    for go in "$(command -v go || true)" /usr/local/go/bin/go "$BED_CACHE"/go/bin/go; do
        [ -n "$go" ] && [ -x "$go" ] || continue
        v=$(cd / && GOTOOLCHAIN=local "$go" env GOVERSION 2>/dev/null) || continue
        v=${v#go}
        if bed_version_at_least "${v%% *}" "$BED_GO_NEEDED"; then
            GO=$go
            return 0
        fi
    done
    return 1
}

# bed_go: a Go toolchain. Where the machine has none that is new enough, Debian's
# older one fetches the one named in versions as a Go module, checksums and all.
bed_go() {
    bed_go_find && { "$GO" version; return 0; }
    local old dir mod
    old=$(command -v go || true)
    if [ -z "$old" ]; then
        bed_apt_install golang-go
        old=/usr/bin/go
    fi
    mod=golang.org/toolchain@v0.0.1-go$(bed_version go).linux-amd64
    dir=$(cd /tmp && GOFLAGS='' GO111MODULE=on "$old" mod download -json "$mod" |
        sed -n 's/^\t"Dir": "\(.*\)",\?$/\1/p')
    [ -d "$dir" ] || { echo "no toolchain from $mod" >&2; return 1; }
    mkdir -p "$BED_CACHE"
    rm -rf "$BED_CACHE/go"
    cp -r "$dir" "$BED_CACHE/go"
    chmod -R u+w "$BED_CACHE/go"
    # Modules carry no permission bits.
    chmod +x "$BED_CACHE"/go/bin/* "$BED_CACHE"/go/pkg/tool/*/*
    bed_go_find
}

# bed_program_line NAME: its line in programs.
bed_program_line() {
    grep "^$1|" "$BED_HOME/programs" || { echo "no program $1" >&2; return 1; }
}

bed_program_key() { # NAME
    local dir
    dir=$(bed_program_line "$1" | cut -d'|' -f2)
    { bed_program_line "$1"; bed_tree_key "go/$dir"; } | sha256sum | cut -c1-16
}

bed_ldflags() { # CGO VERSION VARIABLES
    local flags='-s -w' var major minor
    IFS=. read -r major minor _ <<<"$2"
    case $1 in
        1) flags+=' -extldflags -static' ;;
        dl) flags+=' -extldflags -Wl,-z,lazy' ;;
    esac
    for var in $3; do
        var=${var//%V/$2}
        var=${var//%1/$major}
        flags+=" -X ${var//%2/$minor}"
    done
    printf '%s\n' "$flags"
}

# bed_program NAME: $BED_CACHE/bin/NAME, built if its key is new.
bed_program() {
    local name=$1 out=$BED_CACHE/bin/$1 key dir pkg cgo tags vname vars
    key=$(bed_program_key "$name")
    [ "$(cat "$out.key" 2>/dev/null)" = "$key" ] && return 0
    bed_go_find || bed_go
    IFS='|' read -r _ dir pkg cgo tags vname vars <<<"$(bed_program_line "$name")"
    mkdir -p "$(dirname "$out")"
    local ldflags start=$SECONDS
    ldflags=$(bed_ldflags "$cgo" "$(bed_version "$vname")" "$vars")
    (cd "$BED_HOME/go/$dir" && GOFLAGS=-buildvcs=false GOTOOLCHAIN=local CGO_ENABLED=${cgo/dl/1} \
        nice "$GO" build -mod=readonly -trimpath ${tags:+-tags "$tags"} \
        -ldflags "$ldflags" -o "$out.new" "$pkg")
    mv "$out.new" "$out"
    printf '%s\n' "$key" >"$out.key"
    printf '%s: %d s\n' "$name" $((SECONDS - start))
}

bed_programs() { # NAME…
    local name
    for name in "$@"; do bed_program "$name"; done
}

bed_pause() {
    [ "$BED_CACHE/bin/pause" -nt "$BED_HOME/standin/pause.c" ] ||
        gcc -O2 -static -s -o "$BED_CACHE/bin/pause" "$BED_HOME/standin/pause.c"
}

# bed_check_versions: the versions file must say what the modules hold.
bed_check_versions() {
    local name module want
    while read -r name module; do
        want=v$(bed_version "$name")
        grep -qE "^(require )?[[:space:]]*$module $want( |\$)" "$BED_HOME/go/$name/go.mod" ||
            { echo "go/$name/go.mod does not require $module $want" >&2; return 1; }
    done <<'EOF'
kubernetes k8s.io/kubernetes
containerd github.com/containerd/containerd/v2
runc github.com/opencontainers/runc
etcd go.etcd.io/etcd/server/v3
coredns github.com/coredns/coredns
flannel github.com/flannel-io/flannel
flannel_cni github.com/containernetworking/plugins
cni_plugins github.com/containernetworking/plugins
nvidia_toolkit github.com/NVIDIA/nvidia-container-toolkit
device_plugin github.com/NVIDIA/k8s-device-plugin
EOF
}
