/* SPDX-License-Identifier: Apache-2.0 */
/* Specs: the description of a cluster, from YAML, JSON or setters. docs/spec.md lists the keys. */
#ifndef GPUCLUSTER_SPEC_H
#define GPUCLUSTER_SPEC_H

#include <gpucluster/types.h>

GPUC_BEGIN_DECLS

/**
 * Reads a spec from memory. It is checked against the schema but not against the world.
 * @param[out] out       the spec, owned by the caller.
 * @param[in]  text      YAML or JSON; need not end in NUL.
 * @param[in]  length    bytes, at most 4 MiB.
 * @param[in]  filename  the name used in errors; NULL for "spec".
 * @param[out] err       NULL or where an error goes; its message starts "file:line:column:".
 * @return GPUC_OK, GPUC_EINVAL (syntax, unknown key, wrong type or value), GPUC_ELIMIT (too large,
 *         too deep), GPUC_ENOMEM.
 * @blocking no
 * @threadsafety any thread
 * @since 0.1
 */
GPUC_API int gpuc_spec_parse(gpuc_spec **out, const char *text, size_t length, const char *filename,
                             gpuc_error **err);

/**
 * Reads a spec from a file.
 * @param[out] out   the spec, owned by the caller.
 * @param[in]  path  the file; paths in the spec are relative to its folder.
 * @param[out] err   NULL or where an error goes.
 * @return as gpuc_spec_parse, and GPUC_EIO, GPUC_ENOTFOUND.
 * @blocking on the disk
 * @threadsafety any thread
 * @since 0.1
 */
GPUC_API int gpuc_spec_load(gpuc_spec **out, const char *path, gpuc_error **err);

/**
 * Starts an empty spec to be filled with setters.
 * @param[out] out   the spec, owned by the caller.
 * @param[in]  name  the cluster's name: a DNS label of at most 40 characters.
 * @param[out] err   NULL or where an error goes.
 * @return GPUC_OK, GPUC_EINVAL, GPUC_ENOMEM.
 * @blocking no
 * @threadsafety any thread
 * @since 0.1
 */
GPUC_API int gpuc_spec_new(gpuc_spec **out, const char *name, gpuc_error **err);

/**
 * Sets one value outside `machines`, by its path in the spec: "provider.kind", "kubernetes.version".
 * @param[in]  spec   not NULL.
 * @param[in]  key    the path, with dots.
 * @param[in]  value  a YAML value: "3", "[a, b]"; for a key that takes a string its text itself, with
 *                    or without YAML's quotes. A relative path starts at the current directory.
 * @param[out] err    NULL or where an error goes.
 * @return GPUC_OK, GPUC_EINVAL (unknown key, with the nearest known one; wrong type), GPUC_ELIMIT,
 *         GPUC_EIO (no current directory), GPUC_ENOMEM. After an error the spec is as before.
 * @blocking no
 * @threadsafety one thread at a time per spec
 * @since 0.1
 */
GPUC_API int gpuc_spec_set(gpuc_spec *spec, const char *key, const char *value, gpuc_error **err);

/**
 * Adds a machine (or, with `count`, several equal ones).
 * @param[out] out   the machine spec, a new reference; may be NULL.
 * @param[in]  spec  not NULL.
 * @param[in]  name  a DNS label.
 * @param[in]  role  "control-plane" or "worker".
 * @param[out] err   NULL or where an error goes.
 * @return GPUC_OK, GPUC_EINVAL, GPUC_EEXIST, GPUC_ELIMIT (more than 1000), GPUC_ENOMEM.
 * @blocking no
 * @threadsafety one thread at a time per spec
 * @since 0.1
 */
GPUC_API int gpuc_spec_add_machine(gpuc_machine_spec **out, gpuc_spec *spec, const char *name,
                                   const char *role, gpuc_error **err);

/**
 * Sets one value of a machine, by its path below the machine: "host", "accelerator.count".
 * @param[in]  machine  not NULL.
 * @param[in]  key      the path, with dots.
 * @param[in]  value    as in gpuc_spec_set.
 * @param[out] err      NULL or where an error goes.
 * @return as gpuc_spec_set.
 * @blocking no
 * @threadsafety one thread at a time per spec
 * @since 0.1
 */
GPUC_API int gpuc_machine_spec_set(gpuc_machine_spec *machine, const char *key, const char *value,
                                   gpuc_error **err);

/**
 * Checks the whole: names, roles, counts, what belongs together. gpuc_cluster_open does it too.
 * @param[in]  spec  not NULL.
 * @param[out] err   NULL or where an error goes.
 * @return GPUC_OK, GPUC_EINVAL, GPUC_ELIMIT (more than 1000 machines), GPUC_ENOMEM.
 * @blocking no
 * @threadsafety one thread at a time per spec
 * @since 0.1
 */
GPUC_API int gpuc_spec_validate(const gpuc_spec *spec, gpuc_error **err);

/** The cluster's name. @param[in] spec not NULL. @return borrowed. @blocking no @threadsafety one thread at a time per spec @since 0.1 */
GPUC_API const char *gpuc_spec_name(const gpuc_spec *spec);

/** The spec as JSON: defaults not filled in, relative paths absolute. @param[in] spec not NULL. @return new string (gpuc_free), or NULL without memory. @blocking no @threadsafety one thread at a time per spec @since 0.1 */
GPUC_API char *gpuc_spec_to_json(const gpuc_spec *spec);

/** The JSON Schema of specs. @return a static string, borrowed. @blocking no @threadsafety any thread @since 0.1 */
GPUC_API const char *gpuc_spec_schema(void);

/** Takes a reference. @param[in] spec not NULL. @return spec. @blocking no @threadsafety any thread @since 0.1 */
GPUC_API gpuc_spec *gpuc_spec_ref(gpuc_spec *spec);

/** Drops a reference. @param[in] spec may be NULL. @return NULL. @blocking no @threadsafety any thread @since 0.1 */
GPUC_API gpuc_spec *gpuc_spec_unref(gpuc_spec *spec);

/** Takes a reference. @param[in] machine not NULL. @return machine. @blocking no @threadsafety any thread @since 0.1 */
GPUC_API gpuc_machine_spec *gpuc_machine_spec_ref(gpuc_machine_spec *machine);

/** Drops a reference. @param[in] machine may be NULL. @return NULL. @blocking no @threadsafety any thread @since 0.1 */
GPUC_API gpuc_machine_spec *gpuc_machine_spec_unref(gpuc_machine_spec *machine);

GPUC_END_DECLS

#endif
