/* SPDX-License-Identifier: Apache-2.0 */
/* What every public header needs: linkage, the handles, and the rules that hold for all functions.
 *
 * Rules (docs/conventions.md says why):
 * - Handles are opaque and reference counted: gpuc_X_ref, gpuc_X_unref. unref(NULL) does nothing;
 *   unref returns NULL. ref, unref, gpuc_op_cancel and gpuc_context_wakeup may be called from any
 *   thread; everything else belongs to one thread at a time per context.
 * - An `out` parameter comes first, is written on success only, and what it receives is owned by the
 *   caller. A pointer that is returned is borrowed from its object, unless the comment says new.
 * - A function that can fail returns GPUC_OK (0) or a negative GPUC_E code and, where `err` is not
 *   NULL, stores a new gpuc_error there that the caller releases with gpuc_error_unref.
 * - Strings are UTF-8 and end in NUL. Strings documented "new" are released with gpuc_free. */
#ifndef GPUCLUSTER_TYPES_H
#define GPUCLUSTER_TYPES_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define GPUC_API __attribute__((visibility("default")))
#else
#define GPUC_API
#endif

#ifdef __cplusplus
#define GPUC_BEGIN_DECLS extern "C" {
#define GPUC_END_DECLS }
#else
#define GPUC_BEGIN_DECLS
#define GPUC_END_DECLS
#endif

GPUC_BEGIN_DECLS

typedef struct gpuc_context gpuc_context;
typedef struct gpuc_error gpuc_error;
typedef struct gpuc_event gpuc_event;
typedef struct gpuc_op gpuc_op;
typedef struct gpuc_spec gpuc_spec;
typedef struct gpuc_machine_spec gpuc_machine_spec;
typedef struct gpuc_cluster gpuc_cluster;
typedef struct gpuc_plan gpuc_plan;
typedef struct gpuc_step gpuc_step;
typedef struct gpuc_report gpuc_report;
typedef struct gpuc_job gpuc_job;
typedef struct gpuc_verification gpuc_verification;

/* Releases what a callback's userdata holds; called once, on the context's thread, when the library
 * will not call the callback again. */
typedef void (*gpuc_destroy_fn)(void *userdata);

/**
 * Releases a string or buffer that the library gave as "new".
 * @param[in] memory  the string, or NULL.
 * @blocking no
 * @threadsafety any thread
 * @since 0.1
 */
GPUC_API void gpuc_free(void *memory);

GPUC_END_DECLS

#endif
