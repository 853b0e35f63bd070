// SPDX-License-Identifier: Apache-2.0

// Walks plan, up and events through the SWIG package: main SPEC STATE_DIR [up].
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"gpucluster.test/native"
)

var held = true

func check(name string, holds bool, detail ...any) {
	word := "ok"
	if !holds {
		word = "FAIL"
		held = false
	}
	fmt.Println(append([]any{word, "go:", name}, detail...)...)
}

// must ends the program with the library's error.
func must(code int, errs native.Gpuc_error) {
	if code < 0 {
		fmt.Println("FAIL go:", native.Gpuc_error_name(code), native.Gpuc_error_message(errs))
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

func wrongSpec() {
	specs, errs := native.New_spec_out(), native.New_error_out()
	defer native.Delete_spec_out(specs)
	defer native.Delete_error_out(errs)
	code := native.Gpuc_spec_parse(specs, "name: 7\n", int64(8), "bad.yaml", errs)
	err := native.Error_out_value(errs)
	check("a wrong spec is an error", code == native.GPUC_EINVAL &&
		native.Gpuc_error_code(err) == code &&
		strings.HasPrefix(native.Gpuc_error_message(err), "bad.yaml:1:"))
	check("the error is JSON", json.Valid([]byte(native.Gpuc_error_to_json(err))))
	native.Gpuc_error_unref(err)
}

func capture() {
	texts := native.New_string_out()
	errs := native.New_error_out()
	defer native.Delete_string_out(texts)
	defer native.Delete_error_out(errs)
	line := "GPU 0: Example (UUID: GPU-1)\n"
	must(native.Gpuc_gpu_parse(texts, line, int64(len(line)), errs), native.Error_out_value(errs))
	var read struct{ Form string }
	err := json.Unmarshal([]byte(native.String_out_take(texts)), &read)
	check("a capture of nvidia-smi is read", err == nil && read.Form == "list")
}

func openCluster(context native.Gpuc_context, errs native.Gpuc_error) native.Gpuc_cluster {
	specs := native.New_spec_out()
	defer native.Delete_spec_out(specs)
	must(native.Gpuc_spec_load(specs, os.Args[1], errs), native.Error_out_value(errs))
	options := native.NewGpuc_cluster_options()
	defer native.DeleteGpuc_cluster_options(options)
	options.SetState_dir(os.Args[2])
	clusters := native.New_cluster_out()
	defer native.Delete_cluster_out(clusters)
	spec := native.Spec_out_value(specs)
	must(native.Gpuc_cluster_open(clusters, context, spec, "", options, errs),
		native.Error_out_value(errs))
	native.Gpuc_spec_unref(spec)
	return native.Cluster_out_value(clusters)
}

// verdicts gives what the plan says of each step.
func verdicts(plan native.Gpuc_plan) map[string]int {
	found := map[string]int{}
	for i := int64(0); i < native.Gpuc_plan_size(plan); i++ {
		step := native.Gpuc_plan_step(plan, i)
		found[native.Gpuc_step_id(step)] = native.Gpuc_step_verdict(step)
	}
	return found
}

func plan(context native.Gpuc_context, cluster native.Gpuc_cluster, errs native.Gpuc_error) {
	step := native.NewGpuc_custom_step()
	defer native.DeleteGpuc_custom_step(step)
	step.SetId("site.motd")
	step.SetProbe("test -e /etc/motd.site")
	step.SetAct("touch /etc/motd.site")
	must(native.Gpuc_cluster_add_step(cluster, step, errs), native.Error_out_value(errs))
	must(native.Gpuc_cluster_skip_step(cluster, "os.swap", "m1", errs), native.Error_out_value(errs))
	ops := native.New_op_out()
	defer native.Delete_op_out(ops)
	must(native.Gpuc_cluster_plan_start(ops, cluster, uint(0), errs), native.Error_out_value(errs))
	op := native.Op_out_value(ops)
	finish(context, op)
	result := native.Gpuc_op_plan(op)
	found := verdicts(result)
	check("plan lists steps", len(found) > 10, len(found))
	check("the caller's step is in it, the skipped one is marked",
		found["site.motd"] == native.GPUC_STEP_NEEDED && found["os.swap"] == native.GPUC_STEP_SKIPPED)
	native.Gpuc_op_unref(op)
	texts := native.New_string_out()
	defer native.Delete_string_out(texts)
	must(native.Gpuc_cluster_status(texts, cluster, errs), native.Error_out_value(errs))
	status := native.String_out_take(texts)
	check("status is JSON", json.Valid([]byte(status)) && strings.Contains(status, "m1"))
}

func up(context native.Gpuc_context, cluster native.Gpuc_cluster, errs native.Gpuc_error) {
	ops, plans := native.New_op_out(), native.New_plan_out()
	defer native.Delete_op_out(ops)
	defer native.Delete_plan_out(plans)
	must(native.Gpuc_cluster_plan(plans, cluster, uint(0), errs), native.Error_out_value(errs))
	before := native.Plan_out_value(plans)
	changes := native.Gpuc_plan_changes(before)
	check("the plan of a cluster that is up is empty", changes == 0, changes)
	native.Gpuc_plan_unref(before)
	must(native.Gpuc_cluster_up_start(ops, cluster, uint(0), errs), native.Error_out_value(errs))
	op := native.Op_out_value(ops)
	events := finish(context, op)
	check("up is done", native.Gpuc_op_state(op) == native.GPUC_OP_DONE)
	check("events came", events > 0, events)
	verdict := native.Gpuc_report_verdict(native.Gpuc_op_report(op))
	check("the report passes", verdict == native.GPUC_CHECK_PASS || verdict == native.GPUC_CHECK_WARN,
		verdict)
	report := native.Gpuc_op_report(op)
	check("the report in each form", strings.Contains(native.Gpuc_report_to_ctrf(report), "\"CTRF\"") &&
		strings.Contains(native.Gpuc_report_to_junit(report), "</testsuites>") &&
		strings.Contains(native.Gpuc_report_to_html(report), "</html>") &&
		strings.Contains(native.Gpuc_report_to_table(report, 100, 0), "VERDICT"))
	native.Gpuc_op_unref(op)
}

func main() {
	errs, contexts := native.New_error_out(), native.New_context_out()
	must(native.Gpuc_context_new(contexts, errs), native.Error_out_value(errs))
	context := native.Context_out_value(contexts)
	wrongSpec()
	capture()
	cluster := openCluster(context, errs)
	if len(os.Args) > 3 && os.Args[3] == "up" {
		up(context, cluster, errs)
		walkJobs(context, cluster)
	} else {
		plan(context, cluster, errs)
	}
	native.Gpuc_cluster_unref(cluster)
	native.Gpuc_context_unref(context)
	if !held {
		os.Exit(1)
	}
}
