// SPDX-License-Identifier: Apache-2.0

// A step of one's own and a step skipped, from Go: steps SPEC [STATE_DIR]. Prints the plan.
// The package native is what SWIG makes of bindings/swig/go.i.
package main

import (
	"fmt"
	"os"

	"gpucluster.test/native"
)

var failure = native.New_error_out()

func must(code int) {
	if code < 0 {
		fmt.Fprintln(os.Stderr, native.Gpuc_error_message(native.Error_out_value(failure)))
		os.Exit(1)
	}
}

func main() {
	contexts, specs := native.New_context_out(), native.New_spec_out()
	must(native.Gpuc_context_new(contexts, failure))
	context := native.Context_out_value(contexts)
	defer native.Gpuc_context_unref(context)
	must(native.Gpuc_spec_load(specs, os.Args[1], failure))
	spec := native.Spec_out_value(specs)
	defer native.Gpuc_spec_unref(spec)

	options, clusters := native.NewGpuc_cluster_options(), native.New_cluster_out()
	if len(os.Args) > 2 {
		options.SetState_dir(os.Args[2])
	}
	must(native.Gpuc_cluster_open(clusters, context, spec, "", options, failure))
	cluster := native.Cluster_out_value(clusters)
	defer native.Gpuc_cluster_unref(cluster)

	step := native.NewGpuc_custom_step()
	step.SetId("site.motd")
	step.SetTitle("Say whose machine it is")
	step.SetProbe("test -e /etc/motd.site")
	step.SetAct("echo 'of the cluster' > /etc/motd.site")
	step.SetUndo("rm -f /etc/motd.site")
	must(native.Gpuc_cluster_add_step(cluster, step, failure))
	must(native.Gpuc_cluster_skip_step(cluster, "os.swap", "", failure))

	plans := native.New_plan_out()
	must(native.Gpuc_cluster_plan(plans, cluster, uint(0), failure))
	plan := native.Plan_out_value(plans)
	defer native.Gpuc_plan_unref(plan)
	fmt.Print(native.Gpuc_plan_to_text(plan))
}
