#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The gpucluster command as a person meets it, as far as no machine is needed: usage, wrong specs, exit
# statuses, JSON, colours, completion, man page. usage: test_cli.sh BUILD_DIR
# shellcheck disable=SC2016,SC2317 # inner shells expand; functions are called through check
set -uo pipefail
source=$(cd "$(dirname "$0")/../.." && pwd)
cli=${GPUC_CLI:-${1:?usage: test_cli.sh BUILD_DIR}/examples/cli/gpucluster}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export XDG_STATE_HOME=$work/state ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=0}
failed=0
cd "$work" || exit 1

check() {
    local name=$1
    shift
    if "$@" >"$work/log" 2>&1; then
        echo "ok $name"
    else
        echo "FAIL $name: exit status $?: $(tail -n 15 "$work/log")"
        failed=1
    fi
}
# ends STATUS PATTERN ARGUMENTS…: the command ends so and says that, on either stream.
ends() {
    local status=$1 pattern=$2 got
    shift 2
    "$cli" "$@" >"$work/out" 2>"$work/err" </dev/null
    got=$?
    cat "$work/out" "$work/err"
    [ "$got" -eq "$status" ] || { echo "exit status $got, wanted $status"; return 1; }
    grep -Eq -- "$pattern" "$work/out" "$work/err"
}
# json EXPRESSION: of the last command's stdout, r; stderr holds JSON lines only.
json() {
    python3 -c 'import json, sys
r = json.load(open(sys.argv[1]))
e = [json.loads(l) for l in open(sys.argv[2])]
assert eval(sys.argv[3]), r' "$work/out" "$work/err" "$1"
}
fails_as_json() { ends "$1" "$2" --json "${@:3}" && json 'r["error"]["message"] and r["error"]["name"]'; }

# --- usage
check "--version" ends 0 '^gpucluster [0-9]' --version
check "--help lists every command" bash -c '"$0" --help | grep -c "^  [a-z]" | grep -qx 17' "$cli"
check "no command" ends 2 'usage:'
check "an unknown command" ends 2 'no command "uo"' uo
check "an unknown global option" ends 2 'usage:' --jsno list
for c in plan up status verify report kubeconfig proxy ssh scp logs support-bundle down catalog gc gpu list run; do
    check "$c --help" ends 0 "usage: gpucluster $c" "$c" --help
    check "$c: an unknown option is named" ends 2 "$c: the option --no-such" "$c" --no-such
    check "$c: the same as JSON" fails_as_json 2 no-such "$c" --no-such
done
check "an option without its value" ends 2 'value' kubeconfig --merge
check "one argument too many" ends 2 '"b" is one argument too many' status a b
check "a part of the catalogue that is none" ends 2 'gpus is none of accelerators' catalog gpus
check "a form that is none" ends 2 'none of json, ctrf, junit, html, table' report --format yaml
check "an ending that says no form" ends 2 'ending' report --output report.pdf
check "the same of --report" ends 2 'ending must say' verify --report report.pdf
check "scp without a machine" ends 2 'MACHINE:PATH' scp a b
check "scp between machines" ends 2 'only one' scp a:b c:d
check "a port that is none" ends 2 'from 0 to 65535, not "70000"' proxy --port 70000
check "a port with a tail" ends 2 'not "80x"' proxy --port 80x
check "a number that is none" ends 2 'from 1 to 20000' logs -n 0
check "--set without =" ends 2 'KEY=VALUE' run nvidia-smi --set gpus
check "a job of two clusters" ends 2 'not both' run nvidia-smi -c lab --kubeconfig default
check "a job of a cluster, and a context" ends 2 'not both' run nvidia-smi -c lab --context lab
check "a job, and a kubeconfig of no name" ends 2 'kubeconfig wants FILE' run nvidia-smi --kubeconfig ''
check "verify of a cluster that labels, where there is none" ends 1 'nosuch.yaml' verify --label --kubeconfig ./nosuch.yaml
check "verify, and a kubeconfig of no name" ends 2 'verify: --kubeconfig is empty' verify --kubeconfig ''
check "a job on a cluster whose kubeconfig is not there" ends 1 'nosuch.yaml' run nvidia-smi --kubeconfig ./nosuch.yaml
check "a job of a kind that is none, anywhere" ends 1 'known are: ' run nvidia-sim --kubeconfig ./nosuch.yaml
check "a look over SSH at machines of others" ends 1 'gpucluster verify --kubeconfig' run cuda --verify --context lab

# --- no cluster yet
check "list is empty" bash -c '[ -z "$("$0" list)" ]' "$cli"
check "list as JSON" bash -c '[ "$("$0" --json list | tr -d "[:space:]")" = "[]" ]' "$cli"
check "no cluster is known yet" ends 2 'no cluster is known yet' status
check "an unknown cluster" ends 1 'nosuch' status nosuch
check "an unknown cluster as JSON" fails_as_json 1 nosuch status nosuch
check "--bundle without a spec file" ends 2 'go with a spec file' --bundle x plan nosuch

# --- specs that are wrong: status 5, the place, no state
good='apiVersion: gpucluster/v1
name: lab
provider: {kind: local, socket: /nonexistent/unix.socket}
sources: {bundle: ./bundle}
machines:
  - {name: master, role: control-plane}'
printf '%s\n' "$good" >good.yaml
# bad NAME PATTERN SED_SCRIPT [STATUS]
bad() {
    sed "$3" good.yaml >bad.yaml
    check "spec: $1" ends "${4:-5}" "$2" plan bad.yaml
    check "spec: $1, as JSON" fails_as_json "${4:-5}" "$2" plan bad.yaml
}
bad "an unknown key, with a near miss" 'bad.yaml:2:1: .*did you mean ."?name' 's/^name:/nmae:/'
bad "a wrong type" 'bad.yaml:2:.*name' 's/^name: lab/name: [1]/'
bad "two machines of one name" 'bad.yaml:[0-9]+:.*master' '$a\  - {name: master, role: worker}'
bad "a worker without a control plane" 'control' 's/role: control-plane/role: worker/'
bad "a count of 0" 'bad.yaml:6:.*count' 's/role: control-plane/&, count: 0/'
bad "a count of a million" 'bad.yaml:6:.*count' 's/role: control-plane/&, count: 1000000/'
bad "a name that Kubernetes refuses" 'bad.yaml:6:.*name' 's/name: master/name: Master_1/'
bad "shell metacharacters in a name" 'bad.yaml:6:.*name' 's/name: master/name: "$(touch pwned)"/'
bad "two sources" 'sources' 's|bundle: ./bundle|&, mirror: "http://m.example"|'
bad "no YAML" 'bad.yaml:[0-9]+' 's/^name: lab/name: [/'
check "spec: nothing of it ran" test ! -e pwned
head -c 104857600 /dev/zero | tr '\0' '#' >huge.yaml
check "spec: 100 MB" ends 5 'huge.yaml' plan huge.yaml
check "spec: a file that is not there" ends 1 'none.yaml' plan none.yaml
check "spec: a folder" ends 1 '\./' plan ./
ssh_spec() {
    printf 'apiVersion: gpucluster/v1\nname: far\nprovider: {kind: ssh}\n%s\nsources: {bundle: ./bundle}\nmachines:\n  - {name: m, role: control-plane, host: 127.0.0.1, port: 9, host_key: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHy42xSHrZpOAdsqkvZ2i1R2IxgtYxC31AwfaFxGpjyt"}\n' "$1" >ssh.yaml
}
mkdir -p bundle
printf '{"images":[],"files":[]}' >bundle/manifest.json
: >bundle/SHA256SUMS
ssh_spec 'ssh: {user: root, identity: ./none}'
check "a key that is not there" ends 1 'none' plan ssh.yaml
ssh-keygen -q -t ed25519 -N secret -f locked
ssh_spec 'ssh: {user: root, identity: ./locked}'
check "an encrypted key without a passphrase" ends 1 'passphrase' plan ssh.yaml
check "no state was made" bash -c '[ -z "$("$0" list)" ]' "$cli"

# --- a relative --bundle starts at the current directory, not at the spec's
mkdir -p elsewhere here/other
cp good.yaml elsewhere/
(cd here && ends 1 "$work/here/(\\./)?other" --bundle ./other plan ../elsewhere/good.yaml) >"$work/log" 2>&1
check "a relative --bundle starts at the current directory" test $? -eq 0
check "the spec's own starts at the spec" ends 1 "$work/elsewhere/(\\./)?bundle" plan elsewhere/good.yaml
check "--mirror stands in place of the spec's bundle" bash -c \
    '! "$0" --mirror http://127.0.0.1:9 plan good.yaml 2>&1 | grep -q "given beside"' "$cli"

# --- the catalogue, without credentials: the table of this version, which says so
catalog() { HOME=$work CLOUDSDK_CONFIG=$work NO_GCE_CHECK=true ends "$@"; }
unset GOOGLE_APPLICATION_CREDENTIALS CLOUDSDK_AUTH_ACCESS_TOKEN_FILE CLOUDSDK_AUTH_ACCESS_TOKEN
check "catalog: where an accelerator is" catalog 0 'nvidia-tesla-t4.*with N1' catalog accelerators
check "catalog: it is the table, and why" catalog 0 'From the table of this version.*no credentials' catalog zones
check "catalog: sources with dates" catalog 0 '^Prices in USD an hour: .*20[0-9][0-9]' catalog --shipped
check "catalog: prices of a zone" catalog 0 '^n1-standard-2 .* 0\.0950 ' catalog machine-types --zone us-east1-d
check "catalog: JSON" bash -c '"$0" --json catalog --shipped | python3 -c "import json, sys; r = json.load(sys.stdin); assert r[\"live\"] is False and r[\"accelerators\"] and r[\"parts\"]"' "$cli"
check "catalog: JSON of one part" bash -c '"$0" catalog zones --json --shipped 2>/dev/null | python3 -c "import json, sys; r = json.load(sys.stdin); assert r[\"zones\"] and \"machine_types\" not in r"' "$cli"
check "catalog: no name of a zone" catalog 1 'east is not the name of a zone' catalog --zone east

# --- colours and progress
check "an error is red on a terminal" bash -c 'script -qec "$0 plan bad.yaml" /dev/null </dev/null | grep -q "$(printf "\033")"' "$cli"
check "NO_COLOR: it is not" bash -c '! NO_COLOR=1 script -qec "$0 plan bad.yaml" /dev/null </dev/null | grep -q "$(printf "\033")"' "$cli"
check "no terminal: it is not" bash -c '! "$0" plan bad.yaml 2>&1 | grep -q "$(printf "\033")"' "$cli"

# --- kubeconfig without a cluster that is up; merging is in the unit tests and in tests/e2e
check "a folder named like a cluster is not taken for a spec" bash -c 'mkdir -p lab && "$0" status lab 2>&1 | grep -qi "lab" && ! "$0" status lab 2>&1 | grep -qi "directory\""' "$cli"

# --- what lost clusters left behind
check "gc: --delete wants to know whose" ends 2 'wants a cluster, by name or uuid, or --all' gc --delete
check "gc: a cluster or all" ends 2 'either a cluster or --all' gc k8s --all
check "gc: a kind that leaves nothing" ends 1 'name the kind gce or local' gc --kind ssh
check "gc: no credentials" catalog 1 'credentials' gc --project p

# --- a capture of nvidia-smi
smi=$(dirname "$0")/../data/nvidia-smi
check "gpu parse: a table" ends 0 'Example K80.*0000:00:04.0' gpu parse "$smi/table-375.txt"
check "gpu parse: standard input" bash -c '"$0" gpu parse - <"$1" | grep -q "form: table"' "$cli" "$smi/table-375.txt"
check "gpu parse: JSON" bash -c '"$0" gpu parse "$1" --json | python3 -c "import json, sys; r = json.load(sys.stdin); assert r[\"form\"] == \"xml\" and r[\"gpus\"][1][\"nvidia_smi\"][\"serial\"] is None"' "$cli" "$smi/two-gpus-580.xml"
check "gpu parse: no driver" ends 0 'reason: the NVIDIA driver is not loaded' gpu parse "$smi/no-driver.txt"
check "gpu parse: none of its forms" ends 1 'no output of nvidia-smi' gpu parse "$0"
check "gpu parse: no such file" ends 1 'No such file' gpu parse "$work/none"
check "gpu: a word that is none" ends 2 'there is gpu parse FILE' gpu pares x
check "gpu parse: no file" ends 2 'lacks an argument' gpu parse

# --- completion
complete_it() {
    bash -c 'source "$1"; shift
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); compopt() { :; }
        _gpucluster; printf "%s\n" "${COMPREPLY[@]}"' _ "$source/examples/cli/completion.bash" "$@"
}
completes() {
    local pattern=$1
    shift
    complete_it "$@" | tee "$work/said" | grep -qx -- "$pattern" && return
    cat "$work/said"
    return 1
}
check "completion: commands" completes support-bundle "$cli" su
check "completion: every command that --help lists" bash -c 'diff <("$0" --help | sed -n "s/^  \([a-z][a-z-]*\) .*/\1/p" | sort) <(sort "$1")' "$cli" <(complete_it "$cli" "")
check "completion: options" completes --purge-driver "$cli" down --p
check "completion: global options" completes --state-dir "$cli" --s
check "completion: spec files" completes good.yaml "$cli" up goo
check "completion: kinds that gc knows" completes local "$cli" gc --kind lo
check "completion: gpu parse" completes parse "$cli" gpu p
check "completion: parts of the catalogue" completes machine-types "$cli" catalog ma
check "completion: forms of the report" completes junit "$cli" report --format ju
check "completion: kinds of job" completes nvidia-smi "$cli" run nv
check "completion: every kind of job that there is" bash -c 'diff \
    <(python3 -c "import json, sys; print(*sorted(json.load(open(sys.argv[1]))[\"kinds\"]), sep=\"\n\")" "$0") <(sort "$1")' \
    "$source/libgpucluster/kube/jobs.json" <(complete_it "$cli" run "")
check "completion: manifests" completes good.yaml "$cli" run -f goo

# --- man page
check "the man page has no warnings" bash -c '[ -z "$(man --warnings -l "$0" 2>&1 >/dev/null)" ]' "$source/examples/cli/gpucluster.1"
for c in $("$cli" --help | sed -n 's/^  \([a-z][a-z-]*\) .*/\1/p'); do
    check "man page: $c" grep -Eq "^\.BI? \"?${c//-/.-}" "$source/examples/cli/gpucluster.1"
done
exit "$failed"
