# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034
# What the tests of kind gce with local machines share: the Compute Engine emulator (SIMULATED) with the
# bed's daemon behind it, and questions to it. Its project is e2e-project.
emulator=

# gce_begin NAME: the emulator for the cluster NAME, and the environment that leads to it. Requests and
# answers are checked against Google's description of the API where that can be had.
gce_begin() {
    dir=$WORK/$1
    rm -rf "$dir" "$XDG_STATE_HOME/gpucluster/$1"
    mkdir -p "$dir"
    "$ROOT/tests/gce_emulator/venv" >/dev/null 2>&1 # fetches the description
    "$ROOT/tests/gce_emulator/emulator" --port 0 --project e2e-project --backend "lxd:prefix=$1" \
        >"$dir/emulator.json" 2>"$dir/emulator.log" &
    emulator=$!
    for _ in $(seq 300); do [ -s "$dir/emulator.json" ] && break; sleep 0.1; done
    check "the emulator runs" gce_where admin
    if [ ! -s "$dir/emulator.json" ]; then
        tail -n 5 "$dir/emulator.log"
        finish
    fi
    admin=$(gce_where admin)
    CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE=$(gce_where endpoint)
    CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDRESOURCEMANAGER=$(gce_where root)
    CLOUDSDK_API_ENDPOINT_OVERRIDES_SERVICEUSAGE=$(gce_where root)
    GPUC_IAP_URL=$(gce_where iap)
    echo simulated-token >"$dir/token"
    CLOUDSDK_AUTH_ACCESS_TOKEN_FILE=$dir/token
    export CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE CLOUDSDK_API_ENDPOINT_OVERRIDES_SERVICEUSAGE \
        CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDRESOURCEMANAGER GPUC_IAP_URL CLOUDSDK_AUTH_ACCESS_TOKEN_FILE
    unset GOOGLE_APPLICATION_CREDENTIALS GOOGLE_CLOUD_PROJECT GCLOUD_PROJECT CLOUDSDK_CORE_PROJECT
}

# gce_end: it removes its machines, addresses and rules.
gce_end() {
    [ -z "$emulator" ] || { kill "$emulator"; wait "$emulator"; } 2>/dev/null
    emulator=
}

# gce_where KEY: of the line it prints when it starts.
gce_where() {
    python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$dir/emulator.json" "$1"
}

# gce_ask PATH [ARGUMENTS OF CURL]: of what tests turn and read.
gce_ask() { curl -sS --max-time 30 "$admin$1" "${@:2}"; }

# gce_holds EXPRESSION: Python on what the emulator holds, `s`, its project, `p`, the instances and
# disks, `all_of`, keys(INSTANCE), and the relay of IAP, `relay`; fails when it is false.
gce_holds() {
    python3 -c 'import json, sys
s, relay = json.loads(sys.argv[2]), json.loads(sys.argv[3])
p = s["projects"]["e2e-project"]
all_of, keys = p["instances"] + p["disks"], lambda i: [m["key"] for m in i["metadata"].get("items", [])]
result = eval(sys.argv[1])
print(result, s["left"], s["violations"])
sys.exit(not result)' "$1" "$(gce_ask state)" "$(gce_ask iap)"
}

# gce_requests SINCE [all]: after number SINCE, those that could change anything, a line each.
gce_requests() {
    gce_ask "log?since=$1" | python3 -c '
import json, sys
for e in json.load(sys.stdin)["entries"]:
    reads = e["method"] == "GET" or e["path"].endswith(("/wait", ":testIamPermissions", "/token"))
    if len(sys.argv) > 1 or not reads:
        print(e["n"], e["method"], e["path"], e["status"])' "${@:2}"
}
