# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# Helpers of every step. Nothing here runs by itself. What a step adds to the machine is written to a
# ledger before it is added, so that `undo` knows it even after a power cut.

GPUC_DIR=${GPUC_DIR:-/var/lib/gpucluster}
GPUC_STEP=${GPUC_STEP:-none}
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH LC_ALL=C

# --- answers -------------------------------------------------------------------------------------
present() { printf '%s\n' "$*"; exit 0; }
needed() { printf '%s\n' "$*"; exit 1; }
unknown() { printf '%s\n' "$*"; exit 2; }
# fail CLASS TEXT: CLASS is a row of recipe/classes.json.
fail() {
    gpuc_class=$1
    shift
    printf 'gpuc-error: %s: %s\n' "$gpuc_class" "$*" >&2
    exit 3
}
say() { printf '%s\n' "$*"; }
have() { command -v "$1" >/dev/null 2>&1; }

# An act that a lost client began may still be at work: what it does is not there before it has ended.
running_acts() {
    systemctl list-units --plain --no-legend --state=active,activating 'gpuc-*.service' 2>/dev/null |
        sed -n 's/^gpuc-\([^ ]*\)-\([0-9a-f]\{16\}\)\.service .*/\1 \2/p'
}
still_running() {
    [ -d "$GPUC_DIR/acts" ] || return 0
    printf '%s\n' "${GPUC_RUNNING-$(running_acts)}" | while read -r gpuc_step gpuc_attempt; do
        if [ "$gpuc_step" = "$GPUC_STEP" ] && [ ! -e "$GPUC_DIR/acts/$gpuc_attempt/rc" ]; then
            needed "an act that was begun before is still at work"
        fi
    done
}

# --- the ledger ----------------------------------------------------------------------------------
ledger_dir() {
    mkdir -p "$GPUC_DIR/ledger" "$GPUC_DIR/saved" "$GPUC_DIR/tmp"
    chmod 0700 "$GPUC_DIR"
}
# record KIND VALUE: kept once, in order.
record() {
    ledger_dir
    grep -qxF -- "$1 $2" "$GPUC_DIR/ledger/$GPUC_STEP" 2>/dev/null ||
        printf '%s %s\n' "$1" "$2" >>"$GPUC_DIR/ledger/$GPUC_STEP"
}
recorded() { grep -qsxF -- "$1 $2" "$GPUC_DIR"/ledger/*; }
recorded_all() { sed -n "s/^$1 //p" "$GPUC_DIR/ledger/$GPUC_STEP" 2>/dev/null || :; }
saved_name() { printf '%s/saved/%s' "$GPUC_DIR" "$(printf '%s' "$1" | sed 's/%/%25/g; s,/,%2F,g')"; }

# make_dir PATH: with its parents; those that were not there are removed again if they are empty.
make_dir() {
    [ -d "$1" ] && return 0
    case $1 in */*) make_dir "${1%/*}" ;; esac
    [ -n "$1" ] || return 0
    record dir "$1"
    mkdir -p "$1"
}
# own_tree PATH [MODE]: a folder that others will fill; removed whole, if it was not there before.
own_tree() {
    if [ ! -e "$1" ]; then
        make_dir "${1%/*}"
        record tree "$1"
        mkdir -p "$1"
        chmod "${2:-0755}" "$1"
    fi
}
# claim PATH: before it is written. Keeps the original of what was there.
claim() {
    if [ -e "$1" ] || [ -L "$1" ]; then
        recorded created "$1" && return 0
        recorded changed "$1" && return 0
        ledger_dir
        gpuc_saved=$(saved_name "$1")
        cp -a -- "$1" "$gpuc_saved.new"
        mv -f -- "$gpuc_saved.new" "$gpuc_saved"
        record changed "$1"
    else
        make_dir "${1%/*}"
        record created "$1"
    fi
}
# put_file PATH MODE < content. Leaves a file alone that is so already.
put_file() {
    ledger_dir
    gpuc_new=$GPUC_DIR/tmp/put_file.$$
    cat >"$gpuc_new"
    if [ ! -L "$1" ] && cmp -s "$gpuc_new" "$1"; then
        chmod "$2" "$1"
    else
        install_file "$gpuc_new" "$1" "$2"
    fi
    rm -f "$gpuc_new"
}
# install_file FROM PATH MODE: a copy, in one step for whoever looks; a hard link where that can be,
# for what is in the store already.
install_file() {
    claim "$2"
    rm -f -- "$2.gpuc-new"
    ln -- "$1" "$2.gpuc-new" 2>/dev/null || cp -- "$1" "$2.gpuc-new"
    chmod "$3" "$2.gpuc-new"
    mv -f -- "$2.gpuc-new" "$2"
}
same_content() { [ -e "$1" ] && printf '%s\n' "$2" | cmp -s - "$1"; }

unit_enable() {
    systemctl is-enabled -q "$1" 2>/dev/null || record enabled "$1"
    systemctl is-active -q "$1" 2>/dev/null || record started "$1"
    systemctl enable -q "$1"
}

undo_line() {
    case $1 in
    created) rm -f -- "$2" "$2.gpuc-new" ;;
    changed)
        gpuc_saved=$(saved_name "$2")
        [ -e "$gpuc_saved" ] || [ -L "$gpuc_saved" ] || return 0
        cp -a -- "$gpuc_saved" "$2.gpuc-new"
        mv -f -- "$2.gpuc-new" "$2"
        rm -f -- "$gpuc_saved"
        ;;
    dir) rmdir -- "$2" 2>/dev/null || : ;;
    tree) rm -rf --one-file-system -- "$2" ;;
    enabled) systemctl disable -q "$2" 2>/dev/null || : ;;
    started) systemctl stop "$2" 2>/dev/null || : ;;
    masked) systemctl unmask -q "$2" 2>/dev/null || : ;;
    hold) apt-mark unhold "$2" >/dev/null ;;
    sysctl) sysctl -q -w "${2%%=*}=${2#*=}" || : ;;
    *) : ;;
    esac
}
# undo_ledger: takes back what the step recorded, last first. Packages go together, at the end.
undo_ledger() {
    gpuc_ledger=$GPUC_DIR/ledger/$GPUC_STEP
    [ -e "$gpuc_ledger" ] || return 0
    tac "$gpuc_ledger" >"$gpuc_ledger.undo"
    while read -r gpuc_kind gpuc_what; do
        undo_line "$gpuc_kind" "$gpuc_what"
    done <"$gpuc_ledger.undo"
    purge_packages "$(recorded_all package)"
    if grep -q '/systemd/' "$gpuc_ledger"; then systemctl daemon-reload; fi
    rm -f "$gpuc_ledger.undo" "$gpuc_ledger"
}

# --- apt -----------------------------------------------------------------------------------------
apt_get() {
    # Packages are fetched to a place of our own, so that none stays behind.
    mkdir -p "$GPUC_DIR/apt/partial"
    DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 APT_LISTCHANGES_FRONTEND=none \
        apt-get -y -q -o DPkg::Lock::Timeout=600 -o Dpkg::Options::=--force-confold \
        -o Dpkg::Use-Pty=0 -o Acquire::Retries=3 -o Acquire::http::Timeout=20 \
        -o Acquire::https::Timeout=20 -o Dir::Cache::archives="$GPUC_DIR/apt" \
        -o APT::Sandbox::User=root "$@"
}
# A lock of the package lists is not covered by DPkg::Lock::Timeout: wait for it here, 10 min.
apt_locked() {
    ledger_dir
    gpuc_try=0
    while :; do
        gpuc_rc=0
        apt_get "$@" >"$GPUC_DIR/tmp/apt.log" 2>&1 || gpuc_rc=$?
        cat "$GPUC_DIR/tmp/apt.log"
        [ "$gpuc_rc" -ne 0 ] || return 0
        grep -qE 'Could not get lock|Unable to lock' "$GPUC_DIR/tmp/apt.log" || return "$gpuc_rc"
        gpuc_try=$((gpuc_try + 1))
        [ "$gpuc_try" -lt 120 ] || fail busy "another package manager has held the lock for 10 min"
        say "waiting for another package manager"
        sleep 5
    done
}
apt_ready() {
    # A dpkg that was cut short (power, reboot) refuses everything until this has run.
    if [ -n "$(dpkg --audit 2>/dev/null)" ] || [ -n "$(ls -A /var/lib/dpkg/updates 2>/dev/null)" ]
    then
        DEBIAN_FRONTEND=noninteractive dpkg --configure -a --force-confold
    fi
}
apt_update() { apt_locked update -o APT::Update::Error-Mode=any; }
package_there() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}
apt_would_add() {
    apt-get -s -q --no-install-recommends install "$@" 2>/dev/null | sed -n 's/^Inst \([^ ]*\).*/\1/p'
}
# apt_install PACKAGE…: records those that it brings, before it brings them.
apt_install() {
    apt_ready
    gpuc_stale=
    if ! apt-get -s -q --no-install-recommends install "$@" >/dev/null 2>&1; then
        apt_refresh
    fi
    apt_record "$@"
    apt_locked --no-install-recommends install "$@" && return 0
    say "refreshing the package lists and trying again"
    apt_refresh
    apt_record "$@"
    apt_locked --no-install-recommends install "$@" && return 0
    apt_blame "$*"
}
apt_refresh() {
    if apt_update; then
        gpuc_stale=
    else
        gpuc_stale=1
        say "the package lists could not all be refreshed"
    fi
}
apt_record() {
    for gpuc_package in $(apt_would_add "$@"); do
        package_there "$gpuc_package" || record package "$gpuc_package"
    done
}
apt_blame() {
    if grep -qi 'no space left' "$GPUC_DIR/tmp/apt.log"; then
        fail disk "no space left while installing $1"
    elif grep -qiE 'unable to fetch|failed to fetch|could not (resolve|connect)|temporary failure' \
        "$GPUC_DIR/tmp/apt.log"; then
        fail network "the package mirror of this machine does not answer; wanted: $1"
    elif [ -n "$gpuc_stale" ]; then
        fail network "the package lists of this machine cannot be refreshed: a mirror in them does not answer; wanted: $1"
    elif grep -qiE 'unable to locate|no installation candidate' "$GPUC_DIR/tmp/apt.log"; then
        fail notfound "this machine's package sources do not have: $1"
    fi
    fail packages "apt-get could not install $1"
}
apt_hold() {
    for gpuc_package in "$@"; do
        apt-mark showhold | grep -qx "$gpuc_package" && continue
        record hold "$gpuc_package"
        apt-mark hold "$gpuc_package" >/dev/null
    done
}
# Purges packages, but never one that something of others has come to need.
purge_packages() {
    gpuc_list=
    for gpuc_package in $1; do
        if package_there "$gpuc_package"; then gpuc_list="$gpuc_list $gpuc_package"; fi
    done
    while [ -n "$gpuc_list" ]; do
        # shellcheck disable=SC2086 # a list of package names
        gpuc_also=$(apt-get -s purge $gpuc_list 2>/dev/null |
            sed -n 's/^\(Purg\|Remv\) \([^ ]*\).*/\2/p')
        gpuc_extra=
        for gpuc_package in $gpuc_also; do
            case " $gpuc_list " in *" $gpuc_package "*) ;; *) gpuc_extra=$gpuc_package ;; esac
        done
        if [ -z "$gpuc_extra" ]; then
            # shellcheck disable=SC2086
            apt_locked purge $gpuc_list
            return 0
        fi
        gpuc_list=$(spare_needed "$gpuc_extra" "$gpuc_list")
    done
}
# The list without the packages whose removal would take $1 along.
spare_needed() {
    for gpuc_package in $2; do
        if apt-get -s purge "$gpuc_package" 2>/dev/null | grep -qE "^(Purg|Remv) $1( |$)"; then
            say "keeping $gpuc_package: $1 needs it" >&2
        else
            printf ' %s' "$gpuc_package"
        fi
    done
}

# --- fetching ------------------------------------------------------------------------------------
# download URL FILE
download() {
    if have curl; then
        curl -fsSL --retry 3 --retry-connrefused --connect-timeout 20 --speed-limit 1024 \
            --speed-time 60 -o "$2" "$1"
    elif have wget; then
        wget -q --tries=3 --timeout=60 -O "$2" "$1"
    else
        fail packages "neither curl nor wget is on this machine"
    fi
}
# stored NAME: the path of an artifact in the store; fails when it is not there.
stored() {
    gpuc_sum=$(awk -v n="$1" '$1 == n {s = $2} END {print s}' "$GPUC_DIR/files/index" 2>/dev/null)
    if [ -z "$gpuc_sum" ] || [ ! -e "$GPUC_DIR/files/$gpuc_sum" ]; then
        fail notfound "$1 is not in the machine's file store: run files.fetch first"
    fi
    printf '%s' "$GPUC_DIR/files/$gpuc_sum"
}

# --- facts ---------------------------------------------------------------------------------------
cgroup_version() {
    if [ "$(stat -fc %T /sys/fs/cgroup 2>/dev/null)" = cgroup2fs ]; then echo 2; else echo 1; fi
}
in_container() { systemd-detect-virt -c -q 2>/dev/null; }
# CAP_SYS_RESOURCE (bit 24) of PID 1, which is what services get.
has_sys_resource() {
    gpuc_caps=$(sed -n 's/^CapBnd:[[:space:]]*//p' /proc/1/status)
    [ $(((0x$gpuc_caps >> 24) & 1)) -eq 1 ]
}
swap_on() { [ "$(sed -n '2,$p' /proc/swaps | wc -l)" -gt 0 ]; }
simulated_gpu() { [ -d "${GPUC_SIMULATED:-/etc/gpucluster/simulated-gpu}" ]; }
# "0000:00:04.0 10de:1eb8" of each NVIDIA display device. A container sees its host's PCI bus, so
# there only the GPUs count whose device nodes it was given.
gpu_devices() {
    gpuc_pci=/sys/bus/pci/devices
    if simulated_gpu; then gpuc_pci=${GPUC_SIMULATED:-/etc/gpucluster/simulated-gpu}/pci; fi
    gpuc_left=1000
    if ! simulated_gpu && in_container; then
        gpuc_left=$(find /dev -maxdepth 1 -name 'nvidia[0-9]*' | wc -l)
    fi
    for gpuc_device in "$gpuc_pci"/*; do
        [ "$gpuc_left" -gt 0 ] || break
        [ "$(cat "$gpuc_device/vendor" 2>/dev/null)" = 0x10de ] || continue
        case $(cat "$gpuc_device/class" 2>/dev/null) in 0x0300* | 0x0302*) ;; *) continue ;; esac
        printf '%s 10de:%s\n' "${gpuc_device##*/}" "$(sed 's/^0x//' "$gpuc_device/device")"
        gpuc_left=$((gpuc_left - 1))
    done
}
gpu_count() { gpu_devices | wc -l; }
# version_at_least HAVE WANT, by dotted numbers.
version_at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }
os_id() (
    # shellcheck source=/dev/null
    . /etc/os-release
    printf '%s-%s' "${ID:-unknown}" "${VERSION_ID:-}"
)
machine_arch() { case $(uname -m) in x86_64) echo amd64 ;; aarch64) echo arm64 ;; *) uname -m ;; esac; }
