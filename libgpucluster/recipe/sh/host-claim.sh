# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# One cluster per machine: its name and id are written down before anything else is done, and
# removed, with all else the library keeps on the machine, at the very end.

probe() {
    if [ ! -e "$GPUC_DIR/owner" ]; then needed "not yet of a cluster"; fi
    gpuc_owner=$(cat "$GPUC_DIR/owner")
    [ "$gpuc_owner" = "$GPUC_CLUSTER_ID $GPUC_CLUSTER" ] ||
        fail exists "this machine belongs to the cluster ${gpuc_owner#* } (id ${gpuc_owner%% *})"
    present "machine of $GPUC_CLUSTER"
}
act() {
    if [ -e "$GPUC_DIR/owner" ] &&
        [ "$(cat "$GPUC_DIR/owner")" != "$GPUC_CLUSTER_ID $GPUC_CLUSTER" ]; then
        fail exists "this machine belongs to another cluster: $(cat "$GPUC_DIR/owner")"
    fi
    ledger_dir
    printf '%s %s\n' "$GPUC_CLUSTER_ID" "$GPUC_CLUSTER" >"$GPUC_DIR/owner.new"
    mv -f "$GPUC_DIR/owner.new" "$GPUC_DIR/owner"
}
undo() {
    if [ -e "$GPUC_DIR/owner" ] &&
        [ "$(cat "$GPUC_DIR/owner")" != "$GPUC_CLUSTER_ID $GPUC_CLUSTER" ]; then
        say "this machine belongs to another cluster by now: left alone"
        return 0
    fi
    # Uploads that were cut short lie in a folder of the login's (files.upload).
    rm -rf --one-file-system -- /var/tmp/gpucluster-incoming
    rm -rf --one-file-system -- "$GPUC_DIR"
}
