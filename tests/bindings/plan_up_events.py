# SPDX-License-Identifier: Apache-2.0
"""Walks plan, up and events through the SWIG module: plan_up_events.py SPEC STATE_DIR [up]."""
import gc
import itertools
import json
import sys

import jobs
import native as g
from support import caught, check, finish


def errors_are_exceptions(context):
    wrong = caught(g.gpuc_spec_parse, "name: 7\n", 8, "bad.yaml")
    absent = caught(g.gpuc_spec_load, "/nonexistent/spec.yaml")
    unknown = caught(g.gpuc_cluster_open, context, None, "no-such-cluster", None)
    held = check("a wrong spec is an exception", wrong and wrong[0] == g.GPUC_EINVAL
                 and wrong[1].startswith("bad.yaml:1:") and wrong[2]["name"] == "GPUC_EINVAL")
    held &= check("so is a file that is not there",
                  absent and absent[0] in (g.GPUC_ENOTFOUND, g.GPUC_EIO)
                  and "/nonexistent/spec.yaml" in absent[1])
    return held & check("and a cluster of no such name",
                        unknown and unknown[0] == g.GPUC_ENOTFOUND and unknown[2]["remedy"])


def opened(context, spec_file, state_dir):
    _, spec = g.gpuc_spec_load(spec_file)
    options = g.gpuc_cluster_options()
    options.state_dir = "/replaced"
    options.state_dir = state_dir
    _, cluster = g.gpuc_cluster_open(context, spec, None, options)
    return spec, cluster


def plan(context, cluster):
    """With a step of the caller's own and one that is skipped."""
    step = g.gpuc_custom_step()
    step.id, step.probe, step.act = "site.motd", "test -e /etc/motd.site", "touch /etc/motd.site"
    g.gpuc_cluster_add_step(cluster, step)
    g.gpuc_cluster_skip_step(cluster, "os.swap", None)
    _, op = g.gpuc_cluster_plan_start(cluster, 0)
    finish(context, op)
    result = g.gpuc_op_plan(op)
    data = json.loads(g.gpuc_plan_to_json(result))
    verdicts = {s["id"]: s["verdict"] for s in data["steps"]}
    held = check("plan lists steps", g.gpuc_plan_size(result) == len(data["steps"]) > 10,
                 str(len(verdicts)))
    held &= check("the plan is text and shell, too", "os.swap" in g.gpuc_plan_to_text(result)
                  and len(g.gpuc_plan_to_shell(result)) > 1000)
    held &= check("the caller's step is in it, the skipped one is marked",
                  verdicts.get("site.motd") == "needed" and verdicts["os.swap"] == "skipped")
    first = g.gpuc_plan_step(result, 0)
    del op, result  # the step keeps what it belongs to
    gc.collect()
    held &= check("a step outlives its plan's name", g.gpuc_step_id(first) == data["steps"][0]["id"])
    return held & check("no step past the end", g.gpuc_plan_step(first.plan, 1 << 20) is None)


def drop_in_every_order(spec_file, state_dir):
    """Handles go in any order; what is left goes on working."""
    count = 0
    for order in itertools.permutations(("context", "spec", "cluster", "op", "plan")):
        held = {"context": g.gpuc_context_new()[1]}
        held["spec"], held["cluster"] = opened(held["context"], spec_file, state_dir)
        _, held["op"] = g.gpuc_cluster_plan_start(held["cluster"], 0)
        if count % 2:  # every other operation is dropped while it runs
            g.gpuc_op_wait(held["op"], 30000)
            held["plan"] = g.gpuc_op_plan(held["op"])
        for name in order:
            held.pop(name, None)
            gc.collect(0)
            if "plan" in held and g.gpuc_plan_size(held["plan"]) < 10:
                return check("handles may be dropped in any order", False, str(order))
        count += 1
    return check("handles may be dropped in any order", count == 120, f"{count} orders")


def capture():
    text = "GPU 0: Example (UUID: GPU-1)\n"
    read = json.loads(g.gpuc_gpu_parse(text, len(text))[1])
    refused = caught(g.gpuc_gpu_parse, "hello", 5)
    return check("a capture of nvidia-smi is read", read["form"] == "list"
                 and read["gpus"][0]["uuid"] == "GPU-1" and refused[0] == g.GPUC_EPROTO)


def up(context, cluster):
    _, op = g.gpuc_cluster_up_start(cluster, 0)
    events = finish(context, op)
    held = check("up is done", g.gpuc_op_state(op) == g.GPUC_OP_DONE)
    held &= check("events came", any(e["kind"] for e in events), str(len(events)))
    _, kept = g.gpuc_cluster_report(cluster)
    held &= check("the kept report in each form", '"CTRF"' in g.gpuc_report_to_ctrf(kept)
                  and "</testsuites>" in g.gpuc_report_to_junit(kept)
                  and "</html>" in g.gpuc_report_to_html(kept)
                  and "VERDICT" in g.gpuc_report_to_table(kept, 100, 0))
    report = json.loads(g.gpuc_report_to_json(g.gpuc_op_report(op)))
    held &= check("the report names its schema",
                  report["schema"] == json.loads(g.gpuc_report_schema())["$id"])
    return held & check("the report is data", report["verdict"] in ("pass", "warn")
                        and len(report["machines"]) > 0, report["verdict"])


def main():
    spec_file, state_dir = sys.argv[1:3]
    _, context = g.gpuc_context_new()
    held = errors_are_exceptions(context) & capture()
    _, cluster = opened(context, spec_file, state_dir)
    if sys.argv[3:] == ["up"]:
        plan_of_all = json.loads(g.gpuc_plan_to_json(g.gpuc_cluster_plan(cluster, 0)[1]))
        held &= check("the plan of a cluster that is up is empty", plan_of_all["changes"] == 0, str(
            [(s["machine"], s["id"], s["detail"]) for s in plan_of_all["steps"]
             if s["verdict"] in ("needed", "unknown")][:3]))
        held &= up(context, cluster)
        held &= jobs.walk(context, cluster)
    else:
        held &= plan(context, cluster)
        held &= drop_in_every_order(spec_file, state_dir)
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
