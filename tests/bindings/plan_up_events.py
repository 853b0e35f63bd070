# SPDX-License-Identifier: Apache-2.0
"""Walks plan, up and events through the SWIG module: plan_up_events.py SPEC STATE_DIR [up]."""
import json
import sys

import native as g


def check(name, holds, detail=""):
    print(("ok" if holds else "FAIL"), "python:", name, detail)
    return holds


def finish(context, op):
    """Runs op to its end as a script does: a little at a time, taking events in between."""
    events = []
    while g.gpuc_op_state(op) == g.GPUC_OP_RUNNING:
        g.gpuc_context_run(context, 200)
        while True:
            found, event = g.gpuc_context_next_event(context)
            if not found:
                break
            events.append(json.loads(g.gpuc_event_to_json(event)))
    g.gpuc_op_wait(op, 0)
    return events


def errors_are_exceptions():
    try:
        g.gpuc_spec_parse("name: 7\n", 8, "bad.yaml")
    except g.Error as error:
        code, message, _ = error.args
        return check("a wrong spec is an exception", code == g.GPUC_EINVAL and "bad.yaml:" in message)
    return check("a wrong spec is an exception", False)


def main():
    spec_file, state_dir = sys.argv[1:3]
    held = errors_are_exceptions()
    _, context = g.gpuc_context_new()
    _, spec = g.gpuc_spec_load(spec_file)
    options = g.gpuc_cluster_options()
    g.gpuc_cluster_options_init(options)
    options.state_dir = state_dir
    _, cluster = g.gpuc_cluster_open(context, spec, None, options)
    _, op = g.gpuc_cluster_plan_start(cluster, 0)
    finish(context, op)
    plan = g.gpuc_op_plan(op)
    steps = json.loads(g.gpuc_plan_to_json(plan))["steps"]
    held &= check("plan lists steps", g.gpuc_plan_size(plan) == len(steps) > 10, str(len(steps)))
    if sys.argv[3:] == ["up"]:
        _, op = g.gpuc_cluster_up_start(cluster, 0)
        events = finish(context, op)
        held &= check("up is done", g.gpuc_op_state(op) == g.GPUC_OP_DONE)
        held &= check("events came", any(e["kind"] for e in events), str(len(events)))
        report = json.loads(g.gpuc_report_to_json(g.gpuc_op_report(op)))
        held &= check("the report is data", report["verdict"] == "pass", report["verdict"])
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
