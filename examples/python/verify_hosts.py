# SPDX-License-Identifier: Apache-2.0
"""Starts a job only where the GPUs are proven: verify_hosts.py HOSTS_FILE IDENTITY COMMAND…

HOSTS_FILE has one [USER@]HOST[:PORT] [gpus=N] a line. `native` is the module that SWIG makes of
bindings/swig/python.i."""
import os
import sys

import native


def verify(hosts_file, identity):
    """The report, and whether every machine passed."""
    _, context = native.gpuc_context_new()
    _, verification = native.gpuc_verification_new(context)
    with open(hosts_file, encoding="ascii") as hosts:
        native.gpuc_verification_add_hosts(verification, hosts.read(), hosts_file)
    native.gpuc_verification_set(verification, "identity", identity)
    _, op = native.gpuc_verification_start(verification)
    try:
        native.gpuc_op_wait(op, -1)
        passed = True
    except native.Error as error:
        if error.args[0] != native.GPUC_EPROOF:
            raise
        passed = False
    return native.gpuc_op_report(op), passed


def main(hosts_file, identity, *command):
    report, passed = verify(hosts_file, identity)
    print(native.gpuc_report_to_text(report), end="", file=sys.stderr)
    if not passed:
        sys.exit(3)
    if command:
        os.execvp(command[0], command)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except native.Error as error:
        sys.exit(error.args[1])
