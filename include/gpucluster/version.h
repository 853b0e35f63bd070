/* SPDX-License-Identifier: Apache-2.0 */
/* The version of the header and of the library, and the library's global set-up. */
#ifndef GPUCLUSTER_VERSION_H
#define GPUCLUSTER_VERSION_H

#include <gpucluster/types.h>

#define GPUC_VERSION_MAJOR 0
#define GPUC_VERSION_MINOR 1
#define GPUC_VERSION_PATCH 0

GPUC_BEGIN_DECLS

/**
 * The version of the library that is loaded, as "major.minor.patch".
 * @return a static string, borrowed.
 * @blocking no
 * @threadsafety any thread
 * @since 0.1
 */
GPUC_API const char *gpuc_version(void);

/** Replaces the allocator; all three must be given. Sizes are in bytes. */
typedef struct gpuc_allocator {
    void *(*malloc_fn)(size_t size);
    void *(*realloc_fn)(void *memory, size_t size);
    void (*free_fn)(void *memory);
} gpuc_allocator;

/**
 * Replaces the allocator that the library uses for its own memory (not its dependencies').
 * Call it before anything else of the library; tests use it to make each allocation fail in turn.
 * @param[in] allocator  copied; NULL restores the default.
 * @blocking no
 * @threadsafety not safe: call it while no other thread uses the library
 * @since 0.1
 */
GPUC_API void gpuc_set_allocator(const gpuc_allocator *allocator);

GPUC_END_DECLS

#endif
