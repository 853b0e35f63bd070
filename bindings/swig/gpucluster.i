/* SPDX-License-Identifier: Apache-2.0 */
/* The public headers for SWIG, in their order. Typemaps are in python.i and go.i, which come first. */
%{
#include <gpucluster.h>
%}

%include <stdint.i>

#define GPUC_API
#define GPUC_BEGIN_DECLS
#define GPUC_END_DECLS

/* Opaque handles: made and released by functions of the library, never by the language. */
%nodefaultctor;
%nodefaultdtor;

/* Callbacks are for C; scripts take events and log lines one by one instead. */
%ignore gpuc_context_set_log;
%ignore gpuc_context_set_event;
%ignore gpuc_op_set_done;
%ignore gpuc_cluster_exec_start;
/* The allocator hook and gpuc_free are of no use where the language owns the strings. */
%ignore gpuc_allocator;
%ignore gpuc_set_allocator;
%ignore gpuc_free;

/* Strings documented "new" are copied and released. */
%typemap(newfree) char * "gpuc_free($1);"
%newobject gpuc_error_to_json;
%newobject gpuc_event_to_json;
%newobject gpuc_spec_to_json;
%newobject gpuc_plan_to_text;
%newobject gpuc_plan_to_shell;
%newobject gpuc_plan_to_json;
%newobject gpuc_report_to_json;
%newobject gpuc_report_to_text;
%newobject gpuc_job_to_json;

%include <gpucluster/types.h>
%include <gpucluster/version.h>
%include <gpucluster/error.h>
%include <gpucluster/context.h>
%include <gpucluster/event.h>
%include <gpucluster/op.h>
%include <gpucluster/spec.h>
%include <gpucluster/plan.h>
%include <gpucluster/cluster.h>
%include <gpucluster/access.h>
%include <gpucluster/report.h>
%include <gpucluster/job.h>
