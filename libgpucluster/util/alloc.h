/* SPDX-License-Identifier: Apache-2.0 */
/* Every allocation of the library goes through here, so that a test can make each one fail. */
#ifndef GPUC__ALLOC_H
#define GPUC__ALLOC_H
#include <stddef.h>

/* NULL on failure, as their namesakes. Memory is zeroed by calloc only. free(NULL) is fine. */
void *gpuc__malloc(size_t size);
void *gpuc__calloc(size_t count, size_t size);
void *gpuc__realloc(void *memory, size_t size);
char *gpuc__strdup(const char *text); /* NULL for NULL */
char *gpuc__strndup(const char *text, size_t length);
void gpuc__free(void *memory);
/* printf into a new string. */
char *gpuc__asprintf(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Overwrites before freeing: for secrets. */
void gpuc__free_secret(char *secret);

/* For locals: `GPUC__AUTOFREE char *x = …`. */
void gpuc__free_pointer(void *pointer_to_pointer);
#define GPUC__AUTOFREE __attribute__((cleanup(gpuc__free_pointer)))
#endif
