/* SPDX-License-Identifier: Apache-2.0 */
/* Go: SWIG gives one result per function, so out parameters are small holders that the façade will
 * hide: h := New_context_out(); Gpuc_context_new(h, err); ctx := Context_out_value(h). */
%module native

%insert(cgo_comment_typedefs) %{
#cgo pkg-config: libgpucluster
%}

%{
#include <gpucluster.h>
%}

%nodefaultctor;
%nodefaultdtor;

/* Opaque handles: made and released by functions of the library. */
struct gpuc_error {};
struct gpuc_context {};
struct gpuc_event {};
struct gpuc_op {};
struct gpuc_spec {};
struct gpuc_machine_spec {};
struct gpuc_cluster {};
struct gpuc_plan {};
struct gpuc_step {};
struct gpuc_report {};
struct gpuc_job {};
struct gpuc_verification {};

%include <cpointer.i>
%pointer_functions(gpuc_error *, error_out)
%pointer_functions(gpuc_context *, context_out)
%pointer_functions(gpuc_event *, event_out)
%pointer_functions(gpuc_op *, op_out)
%pointer_functions(gpuc_spec *, spec_out)
%pointer_functions(gpuc_machine_spec *, machine_spec_out)
%pointer_functions(gpuc_cluster *, cluster_out)
%pointer_functions(gpuc_plan *, plan_out)
%pointer_functions(gpuc_report *, report_out)
%pointer_functions(gpuc_job *, job_out)
%pointer_functions(gpuc_verification *, verification_out)
%pointer_functions(char *, string_out)
%pointer_functions(int, int_out)
%pointer_functions(int64_t, int64_out)

/* The string in a holder, which is empty afterwards. */
%newobject string_out_take;
%inline %{
static char *string_out_take(char **holder)
{
    char *text = *holder;

    *holder = NULL;
    return text;
}
%}

%include "gpucluster.i"
