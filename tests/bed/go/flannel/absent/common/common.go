// SPDX-License-Identifier: Apache-2.0

// Package common holds the few names that flannel's tencent-vpc backend needs
// to compile. That cloud's SDK is not always to be had from module proxies,
// and the bed never runs the backend.
package common

func StringPtr(s string) *string { return &s }

func BoolPtr(b bool) *bool { return &b }

func StringPtrs(values []string) []*string {
	out := make([]*string, len(values))
	for i := range values {
		out[i] = &values[i]
	}
	return out
}
