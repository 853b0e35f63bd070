/* SPDX-License-Identifier: Apache-2.0 */
/* Files of tests/data for the tests of the GPU readers. Include after cmocka.h. */
#ifndef GPUC_TEST_GPU_DATA_H
#define GPUC_TEST_GPU_DATA_H
#include <stdio.h>
#include <stdlib.h>

/* The whole file, NUL behind it; *length without it. NULL: there is no such file. free() it. */
__attribute__((unused)) static char *gpu_read(const char *path, size_t *length)
{
    FILE *file = fopen(path, "rb");
    char *text = NULL;
    long size;

    if (!file)
        return NULL;
    fseek(file, 0, SEEK_END);
    size = ftell(file);
    rewind(file);
    text = malloc((size_t)size + 1);
    assert_non_null(text);
    assert_int_equal(fread(text, 1, (size_t)size, file), size);
    fclose(file);
    text[size] = '\0';
    *length = (size_t)size;
    return text;
}

/* A fixture of ours. */
__attribute__((unused)) static char *gpu_fixture(const char *name, size_t *length)
{
    char path[512];
    char *text;

    snprintf(path, sizeof(path), GPUC_TEST_DATA "/nvidia-smi/%s", name);
    text = gpu_read(path, length);
    assert_non_null(text);
    return text;
}
#endif
