/* SPDX-License-Identifier: Apache-2.0 */
/* libgpucluster: one spec in, a proven GPU Kubernetes cluster out. Include this header only. */
#ifndef GPUCLUSTER_H
#define GPUCLUSTER_H

#include <gpucluster/types.h>
#include <gpucluster/version.h>
#include <gpucluster/error.h>
#include <gpucluster/context.h>
#include <gpucluster/google.h>
#include <gpucluster/event.h>
#include <gpucluster/op.h>
#include <gpucluster/spec.h>
#include <gpucluster/plan.h>
#include <gpucluster/cluster.h>
#include <gpucluster/access.h>
#include <gpucluster/report.h>
#include <gpucluster/job.h>
#include <gpucluster/verify.h>
#include <gpucluster/catalog.h>
#include <gpucluster/gc.h>
#include <gpucluster/gpu.h>

#endif
