// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"os"
	"strings"

	"gpucluster.test/native"
)

const manifest = `apiVersion: batch/v1
kind: Job
metadata: {name: says}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      nodeSelector: {gpu: "true"}
      containers:
      - {name: says, image: IMAGE, command: [sh, -c, "echo hello from Go; exit 3"]}
`

type pod struct {
	Node     string
	ExitCode int `json:"exit_code"`
	Lines    int
}

func podsOf(job native.Gpuc_job) []pod {
	var results struct{ Pods []pod }
	if json.Unmarshal([]byte(native.Gpuc_job_to_json(job)), &results) != nil {
		return nil
	}
	return results.Pods
}

// linesOf takes all lines that wait: how many of each node, and the last one.
func linesOf(job native.Gpuc_job) (map[string]int, string) {
	lines, nodes := native.New_string_out(), native.New_string_out()
	defer native.Delete_string_out(lines)
	defer native.Delete_string_out(nodes)
	found, last := map[string]int{}, ""
	for native.Gpuc_job_next_line(lines, nodes, job) == 1 {
		last = native.String_out_take(lines)
		found[native.String_out_take(nodes)]++
	}
	return found, last
}

func jobsRefused(cluster native.Gpuc_cluster) {
	jobs, errs := native.New_job_out(), native.New_error_out()
	defer native.Delete_job_out(jobs)
	defer native.Delete_error_out(errs)
	code := native.Gpuc_job_new(jobs, cluster, "nvidia", errs)
	err := native.Error_out_value(errs)
	check("a wrong job is an error", code == native.GPUC_EINVAL &&
		strings.Contains(native.Gpuc_error_message(err)+native.Gpuc_error_remedy(err), "nvidia-smi"))
	native.Gpuc_error_unref(err)
}

// onEachNode runs nvidia-smi on each GPU node.
func onEachNode(context native.Gpuc_context, job native.Gpuc_job, name string) {
	ops, errs := native.New_op_out(), native.New_error_out()
	defer native.Delete_op_out(ops)
	defer native.Delete_error_out(errs)
	must(native.Gpuc_job_start(ops, job, errs), native.Error_out_value(errs))
	op := native.Op_out_value(ops)
	finish(context, op)
	native.Gpuc_op_unref(op)
	lines, _ := linesOf(job)
	pods := podsOf(job)
	same := len(pods) > 0 && len(pods) == len(lines)
	for _, p := range pods {
		same = same && p.ExitCode == 0 && p.Lines > 5 && lines[p.Node] == p.Lines
	}
	check(name, same, lines)
}

func runManifest(cluster native.Gpuc_cluster) {
	jobs, errs := native.New_job_out(), native.New_error_out()
	defer native.Delete_job_out(jobs)
	defer native.Delete_error_out(errs)
	text := strings.Replace(manifest, "IMAGE", os.Getenv("GPUC_TEST_IMAGE"), 1)
	must(native.Gpuc_job_new_manifest(jobs, cluster, errs), native.Error_out_value(errs))
	job := native.Job_out_value(jobs)
	must(native.Gpuc_job_add_text(job, text, int64(len(text)), "says.yaml", errs),
		native.Error_out_value(errs))
	code := native.Gpuc_job_run(job, errs)
	err := native.Error_out_value(errs)
	lines, last := linesOf(job)
	pods := podsOf(job)
	check("a manifest runs, and its end is an error with the reason", code == native.GPUC_EREMOTE &&
		native.Gpuc_error_code(err) == code && len(pods) == 1 && pods[0].ExitCode == 3 &&
		len(lines) == 1 && last == "hello from Go", lines, last)
	native.Gpuc_error_unref(err)
	native.Gpuc_job_unref(job)
}

// byKubeconfig takes the cluster for one that the library did not make.
func byKubeconfig(context native.Gpuc_context, cluster native.Gpuc_cluster) {
	jobs, texts, errs := native.New_job_out(), native.New_string_out(), native.New_error_out()
	defer native.Delete_job_out(jobs)
	defer native.Delete_string_out(texts)
	defer native.Delete_error_out(errs)
	must(native.Gpuc_cluster_kubeconfig(texts, cluster, "", errs), native.Error_out_value(errs))
	file, err := os.CreateTemp("", "kubeconfig")
	if err == nil {
		defer os.Remove(file.Name())
		_, err = file.WriteString(native.String_out_take(texts))
	}
	if err != nil || file.Close() != nil {
		check("a kubeconfig is written", false, err)
		return
	}
	must(native.Gpuc_job_new_kubeconfig(jobs, context, file.Name(), "nvidia-smi", errs),
		native.Error_out_value(errs))
	job := native.Job_out_value(jobs)
	must(native.Gpuc_job_set(job, "per", "node", errs), native.Error_out_value(errs))
	onEachNode(context, job, "nvidia-smi on each node that a kubeconfig shows")
	native.Gpuc_job_unref(job)
}

func walkJobs(context native.Gpuc_context, cluster native.Gpuc_cluster) {
	jobs, errs := native.New_job_out(), native.New_error_out()
	defer native.Delete_job_out(jobs)
	defer native.Delete_error_out(errs)
	jobsRefused(cluster)
	must(native.Gpuc_job_new(jobs, cluster, "nvidia-smi", errs), native.Error_out_value(errs))
	job := native.Job_out_value(jobs)
	onEachNode(context, job, "nvidia-smi on each GPU machine")
	native.Gpuc_job_unref(job)
	runManifest(cluster)
	byKubeconfig(context, cluster)
}
