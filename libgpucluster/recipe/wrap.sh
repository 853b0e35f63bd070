# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# What the transient unit of an act runs: sh wrap DIR STEP ATTEMPT SECONDS FUNCTION. Keeps the lock that
# others wait on, writes the audit, runs the script, leaves its status.
set -u
umask 022
cd "$1" || exit 111
gpuc_top=$1/../..
exec 9>>lock
flock -x 9
printf '%s %s %s %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$3" "$2" "$5" >>"$gpuc_top/acts.log"
if [ "$5" = act ]; then
    mkdir -p "$gpuc_top/acted" && : >"$gpuc_top/acted/$2"
fi
gpuc_rc=0
timeout -k 10 "$4" sh ./script >out 2>&1 </dev/null 9>&- || gpuc_rc=$?
if [ "$5" = undo ] && [ "$gpuc_rc" -eq 0 ]; then
    rm -f "$gpuc_top/acted/$2"
fi
# The script may hold secrets.
rm -f script
# Into bytes that are there already: the disk may be full.
printf '%03d\n' "$gpuc_rc" 1<>rc.new
mv -f rc.new rc
