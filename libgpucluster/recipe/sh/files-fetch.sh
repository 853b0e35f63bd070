# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# Brings the files of GPUC_FILES into the machine's store, each under its SHA-256, and writes the
# index by which later steps find them. Lines of GPUC_FILES: name, SHA-256 or -, path below the source,
# path of its checksum file or -, pattern of the path (a mirror may carry another version).
# A bundle's files were uploaded before; from a mirror or upstream they are fetched here.

files_mark() { printf '%s %s\n%s\n' "$GPUC_SOURCE" "$GPUC_BASE_URL" "$GPUC_FILES" | sha256sum | cut -c1-64; }
index_whole() {
    while read -r gpuc_name gpuc_sum gpuc_path; do
        [ -e "$GPUC_DIR/files/$gpuc_sum" ] || return 1
    done <"$GPUC_DIR/files/index"
}
probe() {
    [ "$(cat "$GPUC_DIR/files/complete" 2>/dev/null)" = "$(files_mark)" ] ||
        needed "$(printf '%s\n' "$GPUC_FILES" | grep -c .) files to bring from: $GPUC_SOURCE"
    index_whole || needed "files are missing from the store"
    present "$(grep -c . "$GPUC_DIR/files/index") files"
}

# sum_in FILE PATH: the checksum of PATH in a checksum file of any of the usual forms.
sum_in() {
    awk -v path="$2" -v base="${2##*/}" '
        length($1) != 64 || $1 ~ /[^0-9a-f]/ {next}
        NF == 1 && found == "" {found = $1}
        {name = $2; sub(/^\*/, "", name)}
        name == path || name == base {found = $1}
        END {print found}' "$1"
}
# The path in the mirror's list that fits a pattern: the newest.
path_for() {
    [ -e "$GPUC_DIR/tmp/SHA256SUMS" ] || return 0
    while read -r gpuc_listed gpuc_listed_path; do
        # shellcheck disable=SC2254 # it is a pattern
        case ${gpuc_listed_path#\*} in $1) printf '%s\n' "${gpuc_listed_path#\*}" ;; esac
    done <"$GPUC_DIR/tmp/SHA256SUMS" | sort -V | tail -n 1
}
store_file() {
    gpuc_real=$(sha256sum <"$1" | cut -c1-64)
    [ "$gpuc_real" = "$2" ] ||
        fail checksum "$3 has SHA-256 $gpuc_real where $2 was expected"
    mv -f -- "$1" "$GPUC_DIR/files/$2"
    chmod 0755 "$GPUC_DIR/files/$2"
}
# fetch_file NAME PATH CHECKSUM_PATH PATTERN
fetch_file() {
    gpuc_path=$2
    gpuc_want=
    if [ -e "$GPUC_DIR/tmp/SHA256SUMS" ]; then
        gpuc_want=$(sum_in "$GPUC_DIR/tmp/SHA256SUMS" "$gpuc_path")
        if [ -z "$gpuc_want" ] && [ "$4" != - ]; then
            gpuc_path=$(path_for "$4")
            [ -z "$gpuc_path" ] || gpuc_want=$(sum_in "$GPUC_DIR/tmp/SHA256SUMS" "$gpuc_path")
        fi
        [ -n "$gpuc_want" ] || fail notfound "the mirror's SHA256SUMS does not list $2"
    else
        download "$GPUC_BASE_URL$3" "$GPUC_DIR/tmp/sum" ||
            fail network "$GPUC_BASE_URL$3 could not be fetched"
        gpuc_want=$(sum_in "$GPUC_DIR/tmp/sum" "$gpuc_path")
        [ -n "$gpuc_want" ] || fail checksum "$GPUC_BASE_URL$3 has no SHA-256 for $1"
    fi
    if [ ! -e "$GPUC_DIR/files/$gpuc_want" ]; then
        say "fetching $GPUC_BASE_URL$gpuc_path"
        download "$GPUC_BASE_URL$gpuc_path" "$GPUC_DIR/tmp/file" ||
            fail network "$GPUC_BASE_URL$gpuc_path could not be fetched"
        store_file "$GPUC_DIR/tmp/file" "$gpuc_want" "$gpuc_path"
    fi
    printf '%s %s %s\n' "$1" "$gpuc_want" "$gpuc_path" >>"$GPUC_DIR/files/index.new"
}
# not_for_here NAME: an archive of images that this machine's role does not run.
not_for_here() {
    case $1 in
    image-control-plane:*) [ "$GPUC_ROLE" != control-plane ] ;;
    image-gpu:*) [ "$GPUC_GPUS" = 0 ] ;;
    *) return 1 ;;
    esac
}
image_name() {
    case $1 in
    */control-plane.tar) printf 'image-control-plane:%s' "$1" ;;
    */gpu.tar) printf 'image-gpu:%s' "$1" ;;
    *) printf 'image-node:%s' "$1" ;;
    esac
}
# A mirror made of a bundle also has image archives; from upstream containerd pulls the images.
fetch_images() {
    [ -e "$GPUC_DIR/tmp/SHA256SUMS" ] || return 0
    while read -r gpuc_listed gpuc_listed_path; do
        case ${gpuc_listed_path#\*} in
        images/*.tar)
            gpuc_image=$(image_name "${gpuc_listed_path#\*}")
            not_for_here "$gpuc_image" ||
                fetch_file "$gpuc_image" "${gpuc_listed_path#\*}" - -
            ;;
        esac
    done <"$GPUC_DIR/tmp/SHA256SUMS"
}
act() {
    ledger_dir
    mkdir -p "$GPUC_DIR/files"
    rm -f "$GPUC_DIR/files/complete" "$GPUC_DIR/files/index.new" "$GPUC_DIR/tmp/SHA256SUMS"
    if [ "$GPUC_SOURCE" = mirror ]; then
        download "${GPUC_BASE_URL}SHA256SUMS" "$GPUC_DIR/tmp/SHA256SUMS" 2>/dev/null ||
            rm -f "$GPUC_DIR/tmp/SHA256SUMS"
    fi
    gpuc_arch=$(machine_arch)
    printf '%s\n' "$GPUC_FILES" | sed "s/@ARCH@/$gpuc_arch/g" >"$GPUC_DIR/tmp/files"
    while read -r gpuc_name gpuc_sum gpuc_file gpuc_checksum gpuc_pattern; do
        if [ -z "$gpuc_name" ] || not_for_here "$gpuc_name"; then continue; fi
        if [ "$gpuc_sum" = - ]; then
            fetch_file "$gpuc_name" "$gpuc_file" "$gpuc_checksum" "$gpuc_pattern"
        else
            [ -e "$GPUC_DIR/files/$gpuc_sum" ] || fail notfound "$gpuc_file was not uploaded"
            printf '%s %s %s\n' "$gpuc_name" "$gpuc_sum" "$gpuc_file" >>"$GPUC_DIR/files/index.new"
        fi
    done <"$GPUC_DIR/tmp/files"
    fetch_images
    mv -f "$GPUC_DIR/files/index.new" "$GPUC_DIR/files/index"
    files_mark >"$GPUC_DIR/files/complete"
}
undo() { rm -rf "$GPUC_DIR/files"; }
