# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# Begins an act as a transient systemd unit, or attaches to one that was begun, and follows it to its
# end. Given: GPUC_DIR, GPUC_ATTEMPT, GPUC_STEP, GPUC_FUNCTION, GPUC_TIMEOUT, GPUC_SCRIPT, GPUC_WRAP.
# An attempt is begun at most once: the mark `started` is written before systemd is asked, under a
# lock, so that of two runners one begins it and the other attaches.

refuse() {
    printf 'gpuc-%s-evidence\n' "$GPUC_ATTEMPT"
    printf 'gpuc-error: %s: %s\n' "$1" "$2"
    printf 'gpuc-%s-result refused -\n' "$GPUC_ATTEMPT"
    exit 0
}
write_files() {
    printf '%s' "$GPUC_WRAP" >wrap || return 1
    (umask 077 && printf '%s' "$GPUC_SCRIPT" >script) || return 1
    printf '000\n' >rc.new || return 1
    : >out && : >lock && cat /proc/sys/kernel/random/boot_id >boot && : >started
}
# Another attempt at the same step, of a client whose state was lost, must end first.
other_attempt() {
    systemctl list-units --plain --no-legend --state=active,activating "gpuc-$GPUC_STEP-*.service" |
        sed -n "s/^\(gpuc-$GPUC_STEP-[0-9a-f]\{16\}\)\.service .*/\1/p" | while read -r gpuc_other; do
        [ -e "$GPUC_DIR/acts/${gpuc_other##*-}/rc" ] || printf '%s\n' "$gpuc_other"
    done
}
# What takes a step back follows an act of a client that was killed: it waits for its end.
wait_for_others() {
    gpuc_waited=0
    while [ "$gpuc_waited" -lt "$GPUC_TIMEOUT" ] && [ -n "$(other_attempt)" ]; do
        [ "$gpuc_waited" -gt 0 ] || echo "waiting for an earlier act, which is still at work"
        sleep 2
        gpuc_waited=$((gpuc_waited + 2))
    done
}
begin() {
    if [ "$GPUC_FUNCTION" = undo ]; then wait_for_others; fi
    gpuc_others=$(other_attempt)
    [ -z "$gpuc_others" ] || refuse busy "$gpuc_others is still at work on this machine"
    if ! write_files; then
        rm -f script
        refuse disk "the machine could not write below $GPUC_DIR"
    fi
    systemd-run --quiet --collect --unit="$gpuc_unit" --description="gpucluster $GPUC_STEP" \
        -p Type=exec -p KillMode=control-group -p TimeoutStopSec=20 -p OOMPolicy=continue \
        -E HOME=/root \
        /bin/sh "$gpuc_act/wrap" "$gpuc_act" "$GPUC_STEP" "$GPUC_ATTEMPT" "$GPUC_TIMEOUT" \
        "$GPUC_FUNCTION" >begin.log 2>&1 ||
        refuse unit "systemd did not take the unit: $(tail -n 1 begin.log)"
}
# Until there is a status, or the unit is gone without one (the machine was restarted, or it was
# killed). The lock is the unit's while it runs, so waiting costs nothing.
follow() {
    gpuc_gone=0
    while [ ! -e rc ] && [ "$gpuc_gone" -lt 3 ]; do
        if systemctl is-active -q "$gpuc_unit"; then
            flock -s lock true
            [ -e rc ] || sleep 0.1
        else
            gpuc_gone=$((gpuc_gone + 1))
            [ -e rc ] || sleep 0.1
        fi
    done
}
runner() {
    gpuc_unit=gpuc-$GPUC_STEP-$GPUC_ATTEMPT
    gpuc_act=$GPUC_DIR/acts/$GPUC_ATTEMPT
    [ -d /run/systemd/system ] || refuse unsupported "PID 1 of this machine is not systemd"
    umask 022
    mkdir -p "$gpuc_act" || refuse disk "the machine could not write below $GPUC_DIR"
    chmod 0700 "$GPUC_DIR" "$GPUC_DIR/acts" "$gpuc_act"
    cd "$gpuc_act" || refuse disk "$gpuc_act cannot be entered"
    exec 8>>start
    flock -x 8
    if [ ! -e started ]; then begin; fi
    exec 8>&-
    tail -c +1 -f out 2>/dev/null &
    gpuc_tail=$!
    follow
    kill "$gpuc_tail" 2>/dev/null
    wait "$gpuc_tail" 2>/dev/null
    gpuc_result=interrupted
    if [ -e rc ]; then read -r gpuc_result <rc; fi
    rm -f script
    printf '\ngpuc-%s-evidence\n' "$GPUC_ATTEMPT"
    tail -c 6000 out
    printf '\ngpuc-%s-result %s %s\n' "$GPUC_ATTEMPT" "$gpuc_result" "$(cat boot)"
}
