/* SPDX-License-Identifier: Apache-2.0 */
/* The allocator and its hook. */
#include "util/alloc.h"

#include <gpucluster.h>
#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static gpuc_allocator hook = {malloc, realloc, free};

void gpuc_set_allocator(const gpuc_allocator *allocator)
{
    static const gpuc_allocator standard = {malloc, realloc, free};

    hook = allocator ? *allocator : standard;
}

void *gpuc__malloc(size_t size)
{
    return hook.malloc_fn(size ? size : 1);
}

void *gpuc__calloc(size_t count, size_t size)
{
    size_t total;
    void *memory;

    if (__builtin_mul_overflow(count, size, &total))
        return NULL;
    memory = gpuc__malloc(total);
    if (memory)
        memset(memory, 0, total);
    return memory;
}

void *gpuc__realloc(void *memory, size_t size)
{
    return hook.realloc_fn(memory, size ? size : 1);
}

char *gpuc__strdup(const char *text)
{
    return text ? gpuc__strndup(text, strlen(text)) : NULL;
}

char *gpuc__strndup(const char *text, size_t length)
{
    size_t n = strnlen(text, length);
    char *copy = gpuc__malloc(n + 1);

    if (copy) {
        memcpy(copy, text, n);
        copy[n] = '\0';
    }
    return copy;
}

void gpuc__free(void *memory)
{
    hook.free_fn(memory);
}

char *gpuc__asprintf(const char *format, ...)
{
    va_list args;
    char *text = NULL;
    int n;

    va_start(args, format);
    n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0)
        return NULL;
    text = gpuc__malloc((size_t)n + 1);
    if (text) {
        va_start(args, format);
        vsnprintf(text, (size_t)n + 1, format, args);
        va_end(args);
    }
    return text;
}

void gpuc__free_secret(char *secret)
{
    if (secret)
        OPENSSL_cleanse(secret, strlen(secret));
    gpuc__free(secret);
}

void gpuc__free_pointer(void *pointer_to_pointer)
{
    gpuc__free(*(void **)pointer_to_pointer);
}

void gpuc_free(void *memory)
{
    gpuc__free(memory);
}
