// SPDX-License-Identifier: Apache-2.0

// The proof of hosts that are no cluster's, from Go: verify_hosts IDENTITY HOST… Prints the table and
// ends with 3 when a machine failed. The package native is what SWIG makes of bindings/swig/go.i.
package main

import (
	"fmt"
	"os"
	"strings"

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
	contexts, verifications := native.New_context_out(), native.New_verification_out()
	must(native.Gpuc_context_new(contexts, failure))
	context := native.Context_out_value(contexts)
	defer native.Gpuc_context_unref(context)
	must(native.Gpuc_verification_new(verifications, context, failure))
	verification := native.Verification_out_value(verifications)
	defer native.Gpuc_verification_unref(verification)
	must(native.Gpuc_verification_set(verification, "identity", os.Args[1], failure))
	must(native.Gpuc_verification_add_hosts(verification, strings.Join(os.Args[2:], "\n"), "arguments", failure))

	reports := native.New_report_out()
	code := native.Gpuc_verification_run(reports, verification, failure)
	if code != native.GPUC_EPROOF {
		must(code)
	}
	report := native.Report_out_value(reports)
	fmt.Print(native.Gpuc_report_to_text(report))
	native.Gpuc_report_unref(report)
	if code < 0 {
		os.Exit(3)
	}
}
