# SPDX-License-Identifier: Apache-2.0
"""A step of one's own and a step skipped, from Python: steps.py SPEC [STATE_DIR]

Prints the plan. `native` is the module that SWIG makes of bindings/swig/python.i."""
import sys

import native


def main(spec_file, state_dir=None):
    _, context = native.gpuc_context_new()
    _, spec = native.gpuc_spec_load(spec_file)
    options = native.gpuc_cluster_options()
    options.state_dir = state_dir
    _, cluster = native.gpuc_cluster_open(context, spec, None, options)

    step = native.gpuc_custom_step()
    step.id = "site.motd"
    step.title = "Say whose machine it is"
    step.probe = "test -e /etc/motd.site"
    step.act = "echo 'of the cluster' > /etc/motd.site"
    step.undo = "rm -f /etc/motd.site"
    native.gpuc_cluster_add_step(cluster, step)
    native.gpuc_cluster_skip_step(cluster, "os.swap", None)

    _, plan = native.gpuc_cluster_plan(cluster, 0)
    print(native.gpuc_plan_to_text(plan), end="")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except native.Error as error:
        sys.exit(error.args[1])
