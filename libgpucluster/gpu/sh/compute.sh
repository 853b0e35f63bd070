# SPDX-License-Identifier: Apache-2.0
# Runs the compute probe: POSIX sh, as root on a machine or in a container. The sender puts before it
#   GPUC_PTX GPUC_PY GPUC_C   the kernels and the probe in Python and in C; GPUC_C may be empty
#   GPUC_OPTIONS              options of the probe
#   GPUC_DEVICES              UUIDs, or GPU-UUID/INDEX of a MIG device; empty: all of nvidia-smi -L
#   GPUC_SKIP                 UUIDs to leave alone then
#   GPUC_TABLE                not empty: nvidia-smi's table is printed first, and has to work
# python3 runs it, else a C compiler makes a program of it in a folder of its own, which that program
# removes before it begins. Exit status: the probe's, nvidia-smi's, or 6 when nothing could run.
# shellcheck disable=SC2154,SC2086,SC2046,SC1003 # the variables are put before; lists of words
LC_ALL=C
PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL PATH

fatal() { # STAGE ERROR DETAIL
    detail=$(printf '%s' "$3" | tr -c ' -~' ' ' | tr -d '"\\' | head -c 400)
    printf '{"event":"fatal","stage":"%s","code":0,"error":"%s","detail":"%s"}\n' "$1" "$2" "$detail"
    return 6
}

# Of nvidia-smi -L: "DEVICE" a GPU, and instead of a GPU that has them "DEVICE=GPU/INDEX" each of its
# MIG devices.
list_devices() {
    timeout -k 5 60 nvidia-smi -L </dev/null 2>&1 | {
        whole=
        while IFS= read -r line; do
            uuid=${line##*UUID: }
            uuid=${uuid%%)*}
            case $line in
            "GPU "*"(UUID: "*)
                [ -z "$whole" ] || echo "$whole"
                whole=$uuid
                gpu=$uuid
                ;;
            *"MIG "*" Device "*"(UUID: "*)
                whole=
                index=${line##* Device }
                echo "$uuid=$gpu/$((${index%%:*}))"
                ;;
            esac
        done
        [ -z "$whole" ] || echo "$whole"
    }
}

# The devices as the probe takes them. A MIG device that is gone is left out.
targets() {
    case $GPUC_DEVICES in
    "" | */*) listed=$(list_devices) ;;
    esac
    for device in ${GPUC_DEVICES:-$listed}; do
        gpu=${device#*=}
        gpu=${gpu%/*} # a MIG device in use has no name: its GPU is in the list
        case " $GPUC_SKIP " in
        *" ${device%%=*} "* | *" $gpu "*) continue ;;
        esac
        case $device in
        *=*) echo "$device" ;;
        */*)
            for found in $listed; do
                [ "${found#*=}" != "$device" ] || echo "$found"
            done
            ;;
        *) echo "$device" ;;
        esac
    done
}

find_compiler() {
    [ -n "$GPUC_C" ] || return 1
    for compiler in cc gcc clang; do
        ! command -v "$compiler" >/dev/null || return 0
    done
    return 1
}

# A folder where programs may not be run gives status 126: the next is tried.
run_compiled() { # ARGUMENT...
    trap '[ -z "$dir" ] || rm -rf "$dir"' EXIT
    trap 'exit 1' HUP INT TERM
    why="no folder could be made in /var/tmp, /tmp or /dev/shm"
    for base in "${TMPDIR:-/var/tmp}" /tmp /dev/shm; do
        dir=$(mktemp -d "$base/gpuc-probe.XXXXXXXX" 2>/dev/null) || continue
        if why=$(printf '%s\n' "$GPUC_C" | timeout -k 5 60 "$compiler" -x c -std=gnu99 -O1 \
            -o "$dir/probe" - -ldl 2>&1); then
            printf '%s\n' "$GPUC_PTX" | "$dir/probe" --remove "$dir" "$@"
            status=$?
            [ "$status" = 126 ] || return "$status"
            why="programs may not be run in $base"
        fi
        rm -rf "$dir"
    done
    fatal compile NO_RUNNER "$compiler: $why"
}

compute() {
    if [ -n "$GPUC_TABLE" ]; then
        timeout -k 5 60 nvidia-smi </dev/null || return
    fi
    why=$(python3 -c "import argparse, ctypes, json, select" 2>&1 </dev/null)
    python=$?
    if [ "$python" != 0 ] && ! find_compiler; then
        [ "$python" = 127 ] || fatal choose NO_RUNNER "python3 does not work: $why" || return
        fatal choose NO_RUNNER "there is neither python3 nor a C compiler" || return
    fi
    set -- $GPUC_OPTIONS $(targets)
    if [ "$python" = 0 ]; then
        printf '%s\n' "$GPUC_PTX" | python3 -c "$GPUC_PY" "$@"
    else
        run_compiled "$@"
    fi
}

compute
