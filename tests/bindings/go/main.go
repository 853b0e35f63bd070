// SPDX-License-Identifier: Apache-2.0

// Walks plan, up and events through the SWIG package: main SPEC STATE_DIR [up].
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"gpucluster.test/native"
)

func check(name string, holds bool, detail ...any) bool {
	word := "ok"
	if !holds {
		word = "FAIL"
	}
	fmt.Println(append([]any{word, "go:", name}, detail...)...)
	return holds
}

// must ends the program with the library's error.
func must(code int, err native.Gpuc_error) {
	if code < 0 {
		fmt.Println("FAIL go:", native.Gpuc_error_message(err))
		os.Exit(1)
	}
}

// finish runs op to its end, taking events in between, and counts them.
func finish(context native.Gpuc_context, op native.Gpuc_op) int {
	count := 0
	holder := native.New_event_out()
	defer native.Delete_event_out(holder)
	errs := native.New_error_out()
	defer native.Delete_error_out(errs)
	for native.Gpuc_op_state(op) == native.GPUC_OP_RUNNING {
		must(native.Gpuc_context_run(context, 200, errs), native.Error_out_value(errs))
		for native.Gpuc_context_next_event(context, holder) == 1 {
			event := native.Event_out_value(holder)
			if json.Valid([]byte(native.Gpuc_event_to_json(event))) {
				count++
			}
			native.Gpuc_event_unref(event)
		}
	}
	must(native.Gpuc_op_wait(op, 0, errs), native.Error_out_value(errs))
	return count
}

func main() {
	errs := native.New_error_out()
	contexts := native.New_context_out()
	must(native.Gpuc_context_new(contexts, errs), native.Error_out_value(errs))
	context := native.Context_out_value(contexts)

	specs := native.New_spec_out()
	must(native.Gpuc_spec_load(specs, os.Args[1], errs), native.Error_out_value(errs))
	options := native.NewGpuc_cluster_options()
	native.Gpuc_cluster_options_init(options)
	options.SetState_dir(os.Args[2])
	clusters := native.New_cluster_out()
	must(native.Gpuc_cluster_open(clusters, context, native.Spec_out_value(specs), "", options, errs),
		native.Error_out_value(errs))
	cluster := native.Cluster_out_value(clusters)

	ops := native.New_op_out()
	must(native.Gpuc_cluster_plan_start(ops, cluster, uint(0), errs), native.Error_out_value(errs))
	op := native.Op_out_value(ops)
	finish(context, op)
	plan := native.Gpuc_op_plan(op)
	held := check("plan lists steps", native.Gpuc_plan_size(plan) > 10, native.Gpuc_plan_size(plan))
	native.Gpuc_op_unref(op)

	if len(os.Args) > 3 && os.Args[3] == "up" {
		must(native.Gpuc_cluster_up_start(ops, cluster, uint(0), errs), native.Error_out_value(errs))
		op = native.Op_out_value(ops)
		events := finish(context, op)
		held = check("up is done", native.Gpuc_op_state(op) == native.GPUC_OP_DONE) && held
		held = check("events came", events > 0, events) && held
		report := native.Gpuc_op_report(op)
		held = check("the report passes", native.Gpuc_report_verdict(report) == native.GPUC_CHECK_PASS) && held
		native.Gpuc_op_unref(op)
	}
	native.Gpuc_cluster_unref(cluster)
	native.Gpuc_context_unref(context)
	if !held {
		os.Exit(1)
	}
}
