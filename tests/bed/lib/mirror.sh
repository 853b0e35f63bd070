# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The bundle over HTTP on the bridge's address: a mirror with upstream's paths.

BED_MIRROR_PORT=${GPUC_BED_MIRROR_PORT:-8642}

bed_mirror_url() { printf 'http://%s:%s\n' "$(bed_bridge_address)" "$BED_MIRROR_PORT"; }

bed_mirror_answers() { curl -s --max-time 3 -o /dev/null -f "$(bed_mirror_url)/SHA256SUMS"; }

bed_mirror_start() {
    bed_daemon_answers || bed_die "the LXD daemon does not run: bed up"
    [ -e "$BED_BUNDLE/SHA256SUMS" ] || bed_die "there is no bundle: bed up"
    if ! bed_mirror_answers; then
        setsid nohup python3 -m http.server --bind "$(bed_bridge_address)" \
            --directory "$BED_BUNDLE" "$BED_MIRROR_PORT" \
            >"$BED_DIR/mirror.log" 2>&1 </dev/null 9>&- &
        echo $! >"$BED_DIR/mirror.pid"
        bed_wait 10 bed_mirror_answers || bed_die "the mirror does not answer: $BED_DIR/mirror.log"
    fi
    bed_mirror_url
}

bed_mirror_stop() {
    bed_kill_recorded mirror.pid http.server
}

bed_mirror() { # [stop]
    case ${1:-start} in
        start) bed_mirror_start ;;
        stop) bed_mirror_stop ;;
        *) bed_die "usage: bed mirror [stop]" ;;
    esac
}
