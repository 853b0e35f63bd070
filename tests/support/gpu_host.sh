#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What a GPU host answers to a verification, canned, for tests and benchmarks of many hosts on one sshd:
#   ForceCommand /bin/sh gpu_host.sh DIR
# DIR/collect is the answer to the look (its nonce is "nonce123"), DIR/probe the one to the probe, DIR/xml
# the one to any other command. DIR/ADDRESS names what is wrong with the host of that address.
dir=$1
# shellcheck disable=SC2086 # words
set -- $SSH_CONNECTION
fault=
[ ! -r "$dir/$3" ] || read -r fault <"$dir/$3"
case $fault in
    hang) exec sleep 60 ;;
    endless) exec yes ;;
    large) exec head -c 100000000 /dev/zero ;;
    garbage) exec echo "this is no answer" ;;
    status) exit 7 ;;
esac
# A command with a request on its standard input is the library's.
case $SSH_ORIGINAL_COMMAND in
    "sh -c "*) ;;
    *) exec cat "$dir/xml" ;;
esac
IFS= read -r first
case $first in
    GPUC_NONCE=*)
        [ "$fault" != late ] || { echo begin >>"$dir/late" && sleep 1 && echo end >>"$dir/late"; }
        sed "s/nonce123/${first#GPUC_NONCE=}/" "$dir/collect"
        ;;
    *) cat "$dir/probe" ;;
esac
cat >/dev/null
