/* SPDX-License-Identifier: Apache-2.0 */
/* Python: out parameters become results, errors become exceptions, the GIL is given up during calls. */
%module(threads="1") native

/* Opaque handles are made by functions of the library, never by Python. */
%nodefaultctor;
%nodefaultdtor;

%include <typemaps.i>

%{
#include <gpucluster.h>

/* The exception carries the code, the message and the library's error as JSON. */
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

/* The exception's class lives in the extension module. */
%pythoncode %{
Error = _native.Error
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
struct gpuc_##NAME {};
%extend gpuc_##NAME {
    ~gpuc_##NAME() { gpuc_##NAME##_unref($self); }
}
%typemap(in, numinputs=0) gpuc_##NAME **out (gpuc_##NAME *h = NULL) "$1 = &h;"
%typemap(argout) gpuc_##NAME **out {
    if (*$1)
        $result = SWIG_Python_AppendOutput(
            $result, SWIG_NewPointerObj(*$1, $*1_descriptor, SWIG_POINTER_OWN));
    else
        $result = SWIG_Python_AppendOutput($result, SWIG_Py_Void());
}
%ignore gpuc_##NAME##_ref;
%ignore gpuc_##NAME##_unref;
%enddef

GPUC_HANDLE(error)
GPUC_HANDLE(context)
GPUC_HANDLE(event)
GPUC_HANDLE(op)
GPUC_HANDLE(spec)
GPUC_HANDLE(machine_spec)
GPUC_HANDLE(cluster)
GPUC_HANDLE(plan)
GPUC_HANDLE(report)
GPUC_HANDLE(job)
GPUC_HANDLE(verification)

/* Results that are borrowed from another object get a reference of their own. */
%define GPUC_BORROWED(TYPE, FUNCTION)
%typemap(out) TYPE *FUNCTION {
    if ($1)
        $result = SWIG_NewPointerObj(TYPE##_ref((TYPE *)$1), $descriptor(TYPE *), SWIG_POINTER_OWN);
    else
        $result = SWIG_Py_Void();
}
%typemap(out) const TYPE *FUNCTION = TYPE *FUNCTION;
%enddef
GPUC_BORROWED(gpuc_plan, gpuc_op_plan)
GPUC_BORROWED(gpuc_report, gpuc_op_report)
GPUC_BORROWED(gpuc_error, gpuc_op_error)
GPUC_BORROWED(gpuc_error, gpuc_error_cause)

/* A step has no references of its own: it keeps its plan. */
struct gpuc_step {};
%pythonappend gpuc_plan_step %{
    if val is not None:
        val.plan = plan
%}

/* New strings and numbers through out parameters. */
%typemap(in, numinputs=0) char **OUT (char *s = NULL) "$1 = &s;"
%typemap(argout) char **OUT {
    $result = SWIG_Python_AppendOutput($result, SWIG_FromCharPtr(*$1));
    gpuc_free(*$1);
}
%apply char **OUT { char **out, char **line, char **node };
%apply int *OUTPUT { int *bound, int *done, int *total };
%apply long long *OUTPUT { int64_t *remaining };

%include "gpucluster.i"
