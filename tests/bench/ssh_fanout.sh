#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# One command on N machines over SSH: this library, the floor (bare libssh2), ssh, pssh and clush,
# interleaved in one run against one sshd that answers as 127.1.x.y. Prints a Markdown table of the
# clients' CPU per host, wall time and memory. As root it runs in a network namespace of its own.
# Usage: ssh_fanout.sh BUILD_DIRECTORY   (CMake build with -DCMAKE_BUILD_TYPE=RelWithDebInfo)
# SIZES="10 100 500" ROUNDS=3 IN_FLIGHT=64 PEERS="library floor ssh-x25519 ssh pssh clush"
set -euo pipefail

build=$(realpath "${1:?usage: ssh_fanout.sh BUILD_DIRECTORY}")
if [ "$(id -u)" = 0 ] && [ -z "${SSH_FANOUT_INSIDE:-}" ] && unshare -n true 2>/dev/null; then
    # shellcheck disable=SC2016 # expanded inside
    SSH_FANOUT_INSIDE=1 exec unshare -n -- bash -c 'ip link set lo up; exec "$0" "$@"' \
        "$(realpath "$0")" "$@"
fi
sizes=${SIZES:-10 100 500}
rounds=${ROUNDS:-3}
in_flight=${IN_FLIGHT:-64}
peers=${PEERS:-library floor ssh-x25519 ssh pssh clush}
port=${PORT:-2222}
dir=$(mktemp -d /tmp/gpuc-fanout.XXXXXX)
trap 'kill "$(cat "$dir/pid" 2>/dev/null)" 2>/dev/null || true; rm -rf "$dir"' EXIT

start_farm() {
    if [ "$(id -u)" = 0 ]; then
        mkdir -p /run/sshd
    fi
    ssh-keygen -q -t ed25519 -N '' -f "$dir/host"
    ssh-keygen -q -t ed25519 -N '' -f "$dir/id"
    cp "$dir/id.pub" "$dir/authorized_keys"
    head -c 23827 /dev/zero | tr '\0' x >"$dir/payload" # the size of one GPU's nvidia-smi -q -x
    printf '%s\n' "ListenAddress 0.0.0.0:$port" "HostKey $dir/host" \
        "AuthorizedKeysFile $dir/authorized_keys" "PidFile $dir/pid" "StrictModes no" "UsePAM no" \
        "UseDNS no" "MaxStartups 2000" "PasswordAuthentication no" \
        "SetEnv SHLVL=1" >"$dir/sshd_config" # at this level bash does not read ~/.bashrc
    printf '[127.1.*]:%s %s\n' "$port" "$(cut -d' ' -f1,2 "$dir/host.pub")" >"$dir/known_hosts"
    printf '%s\n' "Port $port" "User $(id -un)" "IdentityFile $dir/id" "IdentitiesOnly yes" \
        "UserKnownHostsFile $dir/known_hosts" "GlobalKnownHostsFile /dev/null" \
        "StrictHostKeyChecking yes" "BatchMode yes" "LogLevel ERROR" "ConnectTimeout 120" \
        >"$dir/ssh_config"
    /usr/sbin/sshd -f "$dir/sshd_config" -E "$dir/sshd.log"
    for ((i = 0; i < 50; i++)); do
        (: </dev/tcp/127.0.0.1/"$port") 2>/dev/null && return
        sleep 0.1
    done
    echo "sshd does not answer; $dir/sshd.log" >&2
    exit 1
}

hosts() {
    for ((i = 0; i < $1; i++)); do
        echo "127.1.$((i / 250)).$((i % 250 + 1))"
    done
}

# client NAME N: runs it once. Prints "cpu_ms_per_host wall_s rss_mb", rss "-" when many processes.
client() {
    local name=$1 n=$2 command="cat $dir/payload" out key
    key=$(cut -d' ' -f1,2 "$dir/host.pub")
    case $name in
    library | floor)
        out=$("$build/tests/bench/ssh_${name/library/fanout}" "$port" "$(id -un)" "$dir/id" "$key" \
            "$n" "$in_flight" "$command")
        jq -r '"\(.cpu_ms_per_host) \(.wall_s) \(.peak_rss_kb / 1024)"' <<<"$out"
        return
        ;;
    esac
    hosts "$n" >"$dir/hosts"
    TIMEFORMAT='%U %S %R'
    case $name in
    ssh) time xargs -P "$in_flight" -I{} ssh -F "$dir/ssh_config" {} "$command" <"$dir/hosts" ;;
    ssh-x25519)
        time xargs -P "$in_flight" -I{} ssh -F "$dir/ssh_config" \
            -o KexAlgorithms=curve25519-sha256 {} "$command" <"$dir/hosts"
        ;;
    pssh)
        time parallel-ssh -h "$dir/hosts" -p "$in_flight" -t 0 -x "-F $dir/ssh_config" \
            -o "$dir/out" "$command"
        ;;
    clush)
        time clush --hostfile="$dir/hosts" -f "$in_flight" -o "-F $dir/ssh_config" --nostdin -S \
            "$command"
        ;;
    esac 2>"$dir/time" >/dev/null
    tail -1 "$dir/time" | awk -v n="$n" '{printf "%.3f %.3f -\n", ($1 + $2) * 1000 / n, $3}'
}

missing() {
    case $1 in
    pssh) ! command -v parallel-ssh >/dev/null ;;
    clush) ! command -v clush >/dev/null ;;
    library | floor) [ ! -x "$build/tests/bench/ssh_${1/library/fanout}" ] ;;
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
    paste "$dir/r.$1.$2" "$dir/r.library.$2" | awk '{printf "%.3f\n", $1 / $4}' >"$dir/ratios"
    median 1 "$dir/ratios"
}

start_farm
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
            if ! result=$(client "$peer" "$n"); then
                echo "FAIL $peer, $n hosts: $(tail -3 "$dir/time" 2>/dev/null)" >&2
                exit 1
            fi
            echo "$result" >>"$dir/r.$peer.$n"
            echo "$n hosts, round $round, $peer: $result" >&2
        done
    done
done

echo "$(date -u +%F), $(nproc) cores, load $(cut -d' ' -f1 /proc/loadavg), $rounds rounds," \
    "$in_flight in flight, $(ssh -V 2>&1)"
echo
echo "| hosts | client | CPU ms/host | to the library | wall s | peak RSS MB |"
echo "|---|---|---|---|---|---|"
for n in $sizes; do
    for peer in $run; do
        file="$dir/r.$peer.$n"
        echo "| $n | $peer | $(median 1 "$file") | $(ratio "$peer" "$n") | $(median 2 "$file") |" \
            "$(median 3 "$file") |"
    done
done
