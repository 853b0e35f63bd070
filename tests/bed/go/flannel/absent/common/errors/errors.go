// SPDX-License-Identifier: Apache-2.0

// Package errors: see package common.
package errors

type TencentCloudSDKError struct{ Message string }

func (e *TencentCloudSDKError) Error() string { return e.Message }
