# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# Whether the machine can become a node at all. Looks only.

probe() {
    gpuc_os=$(os_id)
    case $gpuc_os in
    debian-12 | debian-13 | ubuntu-22.04 | ubuntu-24.04) ;;
    *) fail unsupported "$gpuc_os is not Debian 12 or 13, nor Ubuntu 22.04 or 24.04" ;;
    esac
    gpuc_arch=$(machine_arch)
    case $gpuc_arch in amd64 | arm64) ;; *) fail unsupported "the processor is $gpuc_arch" ;; esac
    [ -d /run/systemd/system ] || fail unsupported "PID 1 is not systemd"
    gpuc_notes=
    [ "$gpuc_arch" = amd64 ] || gpuc_notes="; arm64 is untried"
    [ "$(nproc)" -ge 2 ] || gpuc_notes="$gpuc_notes; fewer than 2 CPUs"
    gpuc_mib=$(($(sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo) / 1024))
    gpuc_want=900
    [ "$GPUC_ROLE" != control-plane ] || gpuc_want=1650
    [ "$gpuc_mib" -ge "$gpuc_want" ] ||
        fail unsupported "$gpuc_mib MiB of memory; a $GPUC_ROLE needs $gpuc_want"
    gpuc_free=$(($(df -Pk /var | sed -n 2p | awk '{print $4}') / 1024))
    # What is there already does not need the space again.
    if [ ! -e "$GPUC_DIR/ledger/kube.install" ] && [ "$gpuc_free" -lt 3072 ]; then
        fail disk "$gpuc_free MiB free on /var; 3072 are needed"
    fi
    # A clock that is a day off makes every certificate invalid.
    gpuc_skew=$(($(date +%s) - GPUC_TIME))
    [ "${gpuc_skew#-}" -le 3600 ] || fail clock "the clock is ${gpuc_skew#-} s off the client's"
    [ "$(hostname)" != localhost ] || gpuc_notes="$gpuc_notes; the host name is localhost"
    present "$gpuc_os $gpuc_arch, $(nproc) CPUs, $gpuc_mib MiB, $gpuc_free MiB free$gpuc_notes"
}
