/* SPDX-License-Identifier: Apache-2.0 */
/* Go: SWIG gives one result per function, so out parameters are small holders that the façade will
 * hide: h := NewContextOut(); Gpuc_context_new(h, err); ctx := ContextOutValue(h). */
%module native

%insert(cgo_comment_typedefs) %{
#cgo pkg-config: libgpucluster
%}

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
%pointer_functions(char *, string_out)

%include "gpucluster.i"
