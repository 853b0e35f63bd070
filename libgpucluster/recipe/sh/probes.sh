# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# Probes of many steps in one go: each runs in a subshell (gpuc_one) and answers one line.

GPUC_RUNNING=$(running_acts)
# probe_one ID. Statuses: 0 present, 1 needed, 2 unknown, others an error.
probe_one() {
    # The subshell is given a shell of its own for `set -e`, which a `||` would switch off inside.
    gpuc_out=$(set +e; (set -e; gpuc_one) 2>&1; echo "gpuc-rc $?")
    gpuc_rc=${gpuc_out##*gpuc-rc }
    gpuc_detail=$(printf '%s\n' "$gpuc_out" | sed '/gpuc-rc [0-9]*$/s///' | sed '/^ *$/d' | tail -n 1)
    printf '%s\t%s\t%s\n' "$1" "$gpuc_rc" "$(printf '%s' "$gpuc_detail" | tr '\t\r' '  ' | cut -c1-500)"
}
