/* SPDX-License-Identifier: Apache-2.0 */
/* The public headers for SWIG, in their order. Typemaps are in python.i and go.i, which come first.
 * Warnings of SWIG are errors (tests/bindings/run.sh), and none is silenced here. */
%{
#include <gpucluster.h>
#include <stdlib.h>
#include <string.h>
%}

%include <stdint.i>

#define GPUC_API
#define GPUC_BEGIN_DECLS
#define GPUC_END_DECLS

/* Callbacks are for C; scripts take events and log lines one by one instead. */
%ignore gpuc_context_set_log;
%ignore gpuc_context_set_event;
%ignore gpuc_context_set_google_token_callback;
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
%newobject gpuc_report_to_ctrf;
%newobject gpuc_report_to_junit;
%newobject gpuc_report_to_html;
%newobject gpuc_report_to_table;
%newobject gpuc_report_to_text;
%newobject gpuc_job_to_json;

/* Structs begin with the defaults and own copies of the strings that are set. */
%typemap(memberin) const char * {
    free((char *)$1);
    $1 = $input ? strdup($input) : NULL;
}
%ignore gpuc_cluster_options_init;
%ignore gpuc_custom_step_init;
%extend gpuc_cluster_options {
    gpuc_cluster_options() {
        gpuc_cluster_options *made = calloc(1, sizeof(*made));
        if (made)
            gpuc_cluster_options_init(made);
        return made;
    }
    ~gpuc_cluster_options() {
        if ($self)
            free((char *)$self->state_dir);
        free($self);
    }
}
%extend gpuc_custom_step {
    gpuc_custom_step() {
        gpuc_custom_step *made = calloc(1, sizeof(*made));
        if (made)
            gpuc_custom_step_init(made);
        return made;
    }
    ~gpuc_custom_step() {
        const gpuc_custom_step *s = $self;
        const char *texts[] = {s->id, s->title, s->after, s->roles, s->probe, s->act, s->undo};
        for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
            free((char *)texts[i]);
        free($self);
    }
}

%include <gpucluster/types.h>
%include <gpucluster/version.h>
%include <gpucluster/error.h>
%include <gpucluster/context.h>
%include <gpucluster/google.h>
%include <gpucluster/event.h>
%include <gpucluster/op.h>
%include <gpucluster/spec.h>
%include <gpucluster/plan.h>
%include <gpucluster/cluster.h>
%include <gpucluster/access.h>
%include <gpucluster/report.h>
%include <gpucluster/job.h>
%include <gpucluster/verify.h>
%include <gpucluster/catalog.h>
%include <gpucluster/gc.h>
%include <gpucluster/gpu.h>
