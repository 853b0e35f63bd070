/* SPDX-License-Identifier: Apache-2.0 */
/* Python: out parameters become results, errors become exceptions, the GIL is given up during calls. */
%module(threads="1") native

%{
/* The exception carries the library's error as JSON beside its message and code. */
static PyObject *gpuc_python_error;

static void gpuc_python_raise(int code, gpuc_error *error)
{
    char *json = error ? gpuc_error_to_json(error) : NULL;
    PyObject *args = Py_BuildValue("(iss)", code, error ? gpuc_error_message(error) : "failed",
                                   json ? json : "{}");

    if (args)
        PyErr_SetObject(gpuc_python_error, args);
    Py_XDECREF(args);
    gpuc_free(json);
    gpuc_error_unref(error);
}
%}

%init %{
    gpuc_python_error = PyErr_NewException("native.Error", PyExc_Exception, NULL);
    Py_INCREF(gpuc_python_error);
    PyModule_AddObject(m, "Error", gpuc_python_error);
%}

%typemap(in, numinputs=0) gpuc_error **err (gpuc_error *e = NULL) "$1 = &e;"
%typemap(argout) gpuc_error **err {
    if (result < 0) {
        Py_XDECREF($result);
        gpuc_python_raise((int)result, *$1);
        SWIG_fail;
    }
}

/* A handle delivered through an out parameter is the caller's; unref is called when Python drops it. */
%define GPUC_HANDLE(NAME)
%extend gpuc_##NAME {
    ~gpuc_##NAME() { gpuc_##NAME##_unref($self); }
}
struct gpuc_##NAME {};
%typemap(in, numinputs=0) gpuc_##NAME **out (gpuc_##NAME *h = NULL) "$1 = &h;"
%typemap(argout) gpuc_##NAME **out {
    if (*$1)
        $result = SWIG_Python_AppendOutput(
            $result, SWIG_NewPointerObj(*$1, $*1_descriptor, SWIG_POINTER_OWN));
}
%ignore gpuc_##NAME##_ref;
%ignore gpuc_##NAME##_unref;
%enddef

GPUC_HANDLE(context)
GPUC_HANDLE(event)
GPUC_HANDLE(op)
GPUC_HANDLE(spec)
GPUC_HANDLE(machine_spec)
GPUC_HANDLE(cluster)
GPUC_HANDLE(plan)
GPUC_HANDLE(report)
GPUC_HANDLE(job)

/* Results that are borrowed from an operation get a reference of their own. */
%typemap(out) gpuc_plan *gpuc_op_plan
    "$result = SWIG_NewPointerObj($1 ? gpuc_plan_ref($1) : NULL, $1_descriptor, SWIG_POINTER_OWN);"
%typemap(out) gpuc_report *gpuc_op_report
    "$result = SWIG_NewPointerObj($1 ? gpuc_report_ref($1) : NULL, $1_descriptor, SWIG_POINTER_OWN);"

/* New strings through out parameters. */
%typemap(in, numinputs=0) char **OUT (char *s = NULL) "$1 = &s;"
%typemap(argout) char **OUT {
    $result = SWIG_Python_AppendOutput($result, SWIG_FromCharPtr(*$1));
    gpuc_free(*$1);
}
%apply char **OUT { char **out, char **line, char **node };
%typemap(in, numinputs=0) int *bound (int n = 0) "$1 = &n;"
%typemap(argout) int *bound
    "$result = SWIG_Python_AppendOutput($result, PyLong_FromLong(*$1));"

%include "gpucluster.i"
