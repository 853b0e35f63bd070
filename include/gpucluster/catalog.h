/* SPDX-License-Identifier: Apache-2.0 */
/* The catalogue of Google Compute Engine: accelerators, machine types, zones, images, prices. */
#ifndef GPUCLUSTER_CATALOG_H
#define GPUCLUSTER_CATALOG_H

#include <gpucluster/types.h>

GPUC_BEGIN_DECLS

/** Flags of gpuc_catalog. */
enum {
    GPUC_CATALOG_SHIPPED = 1 /**< ask nobody: what this version of the library was built with */
};

/**
 * Begins to read the catalogue. With credentials for Google (gpucluster/google.h) the API is asked
 * which zones have what; without them, and when it cannot be asked, the table of this version
 * answers alone. The result (gpuc_op_json) says which of both it was: {"live": true or false, "why":
 * why not live, "project", "zone", "accelerators": [{"name","memory_gb","attach","machine_types",
 * "zones","prices"}], "machine_types": [{"name","vcpus","memory_gb","accelerator","gpus","obtain",
 * "zones","price_per_hour"}], "zones": [{"name","region","accelerators"}], "images", "retired",
 * "parts": [{"part","source","date"}]}. Prices are US dollars an hour, [on demand, spot], null where
 * not known.
 * @param[out] out      new operation.
 * @param[in]  context  not NULL.
 * @param[in]  project  whose zones are asked for; NULL or "": the one that the environment or the
 *                      credentials name.
 * @param[in]  zone     that of one zone only, with prices of its machine types; NULL or "": all.
 * @param[in]  flags    GPUC_CATALOG values, or 0.
 * @param[out] err      NULL or where an error goes.
 * @return GPUC_OK, GPUC_EINVAL (unknown flags, no name of a zone), GPUC_ENOMEM. The operation fails
 *         with GPUC_ENOTFOUND when the API knows no such zone.
 * @blocking no
 * @threadsafety the context's thread
 * @since 0.1
 */
GPUC_API int gpuc_catalog_start(gpuc_op **out, gpuc_context *context, const char *project,
                                const char *zone, uint32_t flags, gpuc_error **err);

/**
 * Reads the catalogue, as gpuc_catalog_start does.
 * @param[out] out      new JSON object (gpuc_free).
 * @param[in]  context  not NULL.
 * @param[in]  project  as of gpuc_catalog_start.
 * @param[in]  zone     as of gpuc_catalog_start.
 * @param[in]  flags    GPUC_CATALOG values, or 0.
 * @param[out] err      NULL or where an error goes.
 * @return GPUC_OK, GPUC_EINVAL, GPUC_ENOTFOUND, GPUC_ESTATE from a callback of the context,
 *         GPUC_ENOMEM.
 * @blocking until the API has answered, a minute or two at most
 * @threadsafety the context's thread
 * @since 0.1
 */
GPUC_API int gpuc_catalog(char **out, gpuc_context *context, const char *project, const char *zone,
                          uint32_t flags, gpuc_error **err);

GPUC_END_DECLS

#endif
