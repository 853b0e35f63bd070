#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The verification of N GPU hosts (two round trips, all checks, the report written) beside clients that do
# no more than fetch `nvidia-smi -q -x`, interleaved in one run against one sshd that answers as 127.1.x.y;
# every host has its own line in known_hosts, and is verified. The hosts' answers are canned
# (tests/support/gpu_host.sh): those of the document XML, or of eight GPUs that are made up.
# Then the same among hosts that are dead, silent, changed, or never end. As root it runs in a network
# namespace of its own.
# Usage: verify_fleet.sh BUILD_DIRECTORY [XML]   (CMake build with -DCMAKE_BUILD_TYPE=RelWithDebInfo)
# SIZES="10 100 500" ROUNDS=3 IN_FLIGHT=64 PEERS="library floor ssh-x25519 ssh pssh clush"
set -euo pipefail

build=$(realpath "${1:?usage: verify_fleet.sh BUILD_DIRECTORY [XML]}")
if [ "$(id -u)" = 0 ] && [ -z "${VERIFY_FLEET_INSIDE:-}" ] && unshare -n true 2>/dev/null; then
    # shellcheck disable=SC2016 # expanded inside
    VERIFY_FLEET_INSIDE=1 exec unshare -n -- bash -c 'ip link set lo up; exec "$0" "$@"' \
        "$(realpath "$0")" "$@"
fi
here=$(dirname "$(realpath "$0")")
sizes=${SIZES:-10 100 500} rounds=${ROUNDS:-3} in_flight=${IN_FLIGHT:-64}
peers=${PEERS:-library floor ssh-x25519 ssh pssh clush}
port=${PORT:-2222}
dir=$(mktemp -d /tmp/gpuc-fleet.XXXXXX)
trap 'kill "$(cat "$dir/pid" 2>/dev/null)" ${silent:-} 2>/dev/null || true; rm -rf "$dir"' EXIT

hosts() { # N
    for ((i = 0; i < $1; i++)); do
        echo "127.1.$((i / 250)).$((i % 250 + 1))"
    done
}

start_farm() {
    local key
    [ "$(id -u)" != 0 ] || mkdir -p /run/sshd
    ssh-keygen -q -t ed25519 -N '' -f "$dir/host"
    ssh-keygen -q -t ed25519 -N '' -f "$dir/id"
    ssh-keygen -q -t ed25519 -N '' -f "$dir/other"
    cp "$dir/id.pub" "$dir/authorized_keys"
    key=$(cut -d' ' -f1,2 "$dir/host.pub")
    hosts 1000 | sed "s/.*/[&]:$port ${key//\//\\/}/" >"$dir/known_hosts"
    echo "[127.9.9.9]:$port $(cut -d' ' -f1,2 "$dir/other.pub")" >>"$dir/known_hosts"
    printf '%s\n' "ListenAddress 0.0.0.0:$port" "HostKey $dir/host" \
        "AuthorizedKeysFile $dir/authorized_keys" "PidFile $dir/pid" "StrictModes no" "UsePAM no" \
        "UseDNS no" "MaxStartups 2000" "PasswordAuthentication no" "SetEnv SHLVL=1" \
        "ForceCommand /bin/sh $here/../support/gpu_host.sh $dir" >"$dir/sshd_config"
    printf '%s\n' "Port $port" "User $(id -un)" "IdentityFile $dir/id" "IdentitiesOnly yes" \
        "UserKnownHostsFile $dir/known_hosts" "GlobalKnownHostsFile /dev/null" \
        "StrictHostKeyChecking yes" "BatchMode yes" "LogLevel ERROR" "ConnectTimeout 120" \
        >"$dir/ssh_config"
    /usr/sbin/sshd -f "$dir/sshd_config" -E "$dir/sshd.log"
    for ((i = 0; i < 50; i++)); do
        (: </dev/tcp/127.0.0.1/"$port") 2>/dev/null && return
        sleep 0.1
    done
    echo "sshd does not answer: $(tail -3 "$dir/sshd.log")" >&2
    exit 1
}

verify() { # N HOSTS-FILE: the measured line
    python3 "$here/verify_fleet.py" --measure "$1" "$dir/report" "$build/examples/cli/gpucluster" --json \
        --quiet verify --hosts "$2" --port "$port" --identity "$dir/id" --known-hosts \
        "$dir/known_hosts" --parallel "$in_flight" --connect-timeout "${TIMEOUT:-60}"
}

# client NAME N: "cpu_ms_per_host wall_s rss_mb status".
client() {
    local n=$2 command="nvidia-smi -q -x"
    local measure=(python3 "$here/verify_fleet.py" --measure "$n" "$dir/out")
    local xargs=(xargs -a "$dir/hosts" -P "$in_flight" -I{} ssh -F "$dir/ssh_config")
    hosts "$n" >"$dir/hosts"
    case $1 in
        library) verify "$n" "$dir/hosts" ;;
        floor)
            "${measure[@]}" "$build/tests/bench/ssh_floor" "$port" "$(id -un)" "$dir/id" \
                "$(cut -d' ' -f1,2 "$dir/host.pub")" "$n" "$in_flight" "$command"
            ;;
        ssh) "${measure[@]}" "${xargs[@]}" {} "$command" ;;
        ssh-x25519) "${measure[@]}" "${xargs[@]}" -o KexAlgorithms=curve25519-sha256 {} "$command" ;;
        pssh)
            "${measure[@]}" parallel-ssh -h "$dir/hosts" -p "$in_flight" -t 0 -x "-F $dir/ssh_config" \
                -o "$dir/pssh" "$command"
            ;;
        clush)
            "${measure[@]}" clush --hostfile="$dir/hosts" -f "$in_flight" -o "-F $dir/ssh_config" \
                --nostdin -S "$command"
            ;;
    esac
}

missing() {
    case $1 in
        library) [ ! -x "$build/examples/cli/gpucluster" ] ;;
        floor) [ ! -x "$build/tests/bench/ssh_floor" ] ;;
        pssh) ! command -v parallel-ssh >/dev/null ;;
        clush) ! command -v clush >/dev/null ;;
        *) ! command -v ssh >/dev/null ;;
    esac
}

# The median of column $1 of the file $2.
median() {
    awk -v c="$1" '{print $c}' "$2" | sort -g | awk '{v[NR] = $1} END {
        print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2}'
}

# The median over rounds of (this one's CPU / the library's in the same round).
ratio() {
    paste "$dir/r.$1.$2" "$dir/r.library.$2" | awk '{printf "%.3f\n", $1 / $5}' >"$dir/ratios"
    median 1 "$dir/ratios"
}

# Six hosts that are no use, beside N that are: dead, silent, another key, no end, 100 MB, no answer.
among_bad() {
    local n=$1 line counted
    python3 -c 'import socket, time
s = socket.socket(); s.bind(("127.1.9.9", 2223)); s.listen(8); time.sleep(600)' &
    silent=$!
    { echo "127.1.9.8:1" && echo "127.1.9.9:2223" && echo 127.9.9.9 &&
        printf '127.1.3.%d\n' 1 2 3 && hosts "$n"; } >"$dir/hosts"
    echo endless >"$dir/127.1.3.1" && echo large >"$dir/127.1.3.2" && echo garbage >"$dir/127.1.3.3"
    line=$(TIMEOUT=10 verify "$n" "$dir/hosts")
    counted=$(python3 "$here/verify_fleet.py" --count "$dir/report")
    read -r cpu wall rss status <<<"$line"
    read -r machines failed _ _ <<<"$counted"
    echo "$n hosts and 6 bad ones: $wall s, $cpu ms/host, $rss MiB, exit status $status;" \
        "$machines machines in the report, $failed failed"
    [ "$machines" -eq $((n + 6)) ] && [ "$failed" -eq 6 ] && [ "$status" -eq 3 ]
}

start_farm
document=${2:-}
if [ -z "$document" ]; then
    document=$dir/eight.xml
    python3 "$here/smi_parse.py" --make "$document"
fi
python3 "$here/verify_fleet.py" --answers "$dir" "$document"
run=
for peer in $peers; do
    if missing "$peer"; then
        echo "SKIP $peer: not installed, or not built" >&2
    else
        run="$run $peer"
    fi
done
for n in $sizes; do
    for ((round = 1; round <= rounds; round++)); do
        for peer in $run; do
            result=$(client "$peer" "$n")
            if [ "${result##* }" != 0 ]; then
                echo "FAIL $peer, $n hosts, status ${result##* }: $(tail -c 500 "$dir"/{report,out}.err)" >&2
                exit 1
            fi
            echo "$result" >>"$dir/r.$peer.$n"
            echo "$n hosts, round $round, $peer: $result" >&2
        done
    done
    echo "$n hosts: machines, failed, GPUs, checks: $(python3 "$here/verify_fleet.py" --count "$dir/report")" >&2
done

echo "$(date -u +%F), $(nproc) cores, load $(cut -d' ' -f1 /proc/loadavg), $rounds rounds, $in_flight in" \
    "flight, document of $(stat -c %s "$document") bytes, $(ssh -V 2>&1)"
echo
echo "| hosts | client | CPU ms/host | to the library | wall s | peak MiB of the largest process |"
echo "|---|---|---|---|---|---|"
for n in $sizes; do
    for peer in $run; do
        file="$dir/r.$peer.$n"
        echo "| $n | $peer | $(median 1 "$file") | $(ratio "$peer" "$n") | $(median 2 "$file") |" \
            "$(median 3 "$file") |"
    done
done
echo
among_bad "${sizes##* }"
