# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# Image archives of a bundle or mirror into containerd. From upstream there are none: containerd pulls.

archives() { awk '$1 ~ /^image-/ {print $2}' "$GPUC_DIR/files/index" 2>/dev/null; }
# images/SHA holds the references that the archive brought.
probe() {
    gpuc_archives=$(archives)
    if [ "$GPUC_SOURCE" = upstream ]; then present "images are pulled from their registries"; fi
    [ -e "$GPUC_DIR/files/index" ] || needed "the archives are not here yet"
    [ -n "$gpuc_archives" ] || present "the source has no image archives"
    have ctr || needed "containerd is not there yet"
    gpuc_have=$(ctr -n k8s.io images ls -q 2>/dev/null) || needed "containerd does not answer"
    gpuc_count=0
    for gpuc_sum in $gpuc_archives; do
        [ -e "$GPUC_DIR/images/$gpuc_sum" ] || needed "an archive is not loaded"
        while read -r gpuc_ref; do
            gpuc_count=$((gpuc_count + 1))
            printf '%s\n' "$gpuc_have" | grep -qxF -- "$gpuc_ref" || needed "$gpuc_ref is not loaded"
        done <"$GPUC_DIR/images/$gpuc_sum"
    done
    present "$gpuc_count images"
}
act() {
    mkdir -p "$GPUC_DIR/images"
    for gpuc_sum in $(archives); do
        gpuc_refs=$(tar -xOf "$GPUC_DIR/files/$gpuc_sum" manifest.json |
            grep -o '"RepoTags": *\[[^]]*\]' | grep -o '"[^"]*[:/][^"]*"' | tr -d '"')
        gpuc_had=$(ctr -n k8s.io images ls -q)
        for gpuc_ref in $gpuc_refs; do
            printf '%s\n' "$gpuc_had" | grep -qxF -- "$gpuc_ref" || record image "$gpuc_ref"
        done
        ctr -n k8s.io images import "$GPUC_DIR/files/$gpuc_sum" ||
            fail images "containerd could not import the archive $gpuc_sum"
        printf '%s\n' "$gpuc_refs" | sed '/^$/d' >"$GPUC_DIR/images/$gpuc_sum.new"
        mv -f "$GPUC_DIR/images/$gpuc_sum.new" "$GPUC_DIR/images/$gpuc_sum"
    done
}
undo() {
    # With a containerd of our own everything goes with its folder.
    if have ctr && ! recorded tree /var/lib/containerd; then
        for gpuc_ref in $(recorded_all image); do
            ctr -n k8s.io images rm "$gpuc_ref" >/dev/null 2>&1 || :
        done
    fi
    rm -rf "$GPUC_DIR/images"
    undo_ledger
}
