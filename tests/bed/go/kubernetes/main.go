// SPDX-License-Identifier: Apache-2.0

// One program that holds the control plane's components and acts as the one it
// is called by, so that their container images share one layer. What goes to
// every machine (kubelet, kubeadm, kube-proxy) and kubectl are upstream's own
// commands, built from this module too: smaller to carry, and with most packages
// compiled once the further links take seconds.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	_ "time/tzdata" // time zones of CronJobs

	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
)

var programs = map[string]func() *cobra.Command{
	"kube-apiserver":          func() *cobra.Command { return apiserver.NewAPIServerCommand() },
	"kube-controller-manager": func() *cobra.Command { return controllermanager.NewControllerManagerCommand() },
	"kube-scheduler":          func() *cobra.Command { return scheduler.NewSchedulerCommand() },
}

func main() {
	name := filepath.Base(os.Args[0])
	build, ok := programs[name]
	if !ok {
		fmt.Fprintf(os.Stderr, "called as %q, which is none of the components in this program\n", name)
		os.Exit(2)
	}
	os.Exit(cli.Run(build()))
}
