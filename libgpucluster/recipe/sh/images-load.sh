# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# Image archives of a bundle or mirror into containerd. From upstream there are none: containerd pulls.

archives() {
    [ ! -e "$GPUC_DIR/files/index" ] || awk '$1 ~ /^image-/ {print $2}' "$GPUC_DIR/files/index"
}
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
# The references in an archive: docker's manifest, or the index of an OCI layout.
refs_of() {
    for gpuc_member in manifest.json ./manifest.json index.json ./index.json; do
        tar -xOf "$1" "$gpuc_member" >"$GPUC_DIR/tmp/manifest" 2>/dev/null || continue
        grep -oE '"RepoTags": *\[[^]]*\]|"io.containerd.image.name": *"[^"]*"' "$GPUC_DIR/tmp/manifest" |
            grep -oE '"[a-z0-9][^":]*[:/][^"]*"' | tr -d '"'
        return 0
    done
}
act() {
    ledger_dir
    mkdir -p "$GPUC_DIR/images"
    for gpuc_sum in $(archives); do
        gpuc_refs=$(refs_of "$GPUC_DIR/files/$gpuc_sum")
        [ -n "$gpuc_refs" ] || fail images "the archive $gpuc_sum names no image"
        gpuc_had=$(ctr -n k8s.io images ls -q)
        for gpuc_ref in $gpuc_refs; do
            printf '%s\n' "$gpuc_had" | grep -qxF -- "$gpuc_ref" || record image "$gpuc_ref"
        done
        say "$gpuc_refs"
        ctr -n k8s.io images import "$GPUC_DIR/files/$gpuc_sum" >"$GPUC_DIR/tmp/import" 2>&1 || {
            tail -n 20 "$GPUC_DIR/tmp/import"
            if grep -qi 'no space left' "$GPUC_DIR/tmp/import"; then
                fail disk "no space left while containerd imported the archive $gpuc_sum"
            fi
            fail images "containerd could not import the archive $gpuc_sum"
        }
        # The kubelet's garbage collection must not take what no registry can give back.
        for gpuc_ref in $gpuc_refs; do
            ctr -n k8s.io images label "$gpuc_ref" io.cri-containerd.pinned=pinned >/dev/null
        done
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
