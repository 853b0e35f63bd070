/* SPDX-License-Identifier: Apache-2.0 */
/* Files of tests/data for the tests of the GPU readers. Include after cmocka.h. */
#ifndef GPUC_TEST_GPU_DATA_H
#define GPUC_TEST_GPU_DATA_H
#include <gpucluster.h>
#include <gpucluster/gpu.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

/* The whole file, NUL behind it; *length without it. NULL, and 0: there is no such file. free() it. */
__attribute__((unused)) static char *gpu_read(const char *path, size_t *length)
{
    FILE *file = fopen(path, "rb");
    char *text = NULL;
    long size;

    *length = 0;
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

/* A capture as what the library makes of it; NULL: it is none. json_decref() it. */
__attribute__((unused)) static json_t *gpu_parse(const char *text, size_t length, gpuc_error **err)
{
    char *out = NULL;
    json_t *root = NULL;

    if (gpuc_gpu_parse(&out, text, length, err) == GPUC_OK) {
        root = json_loads(out, JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(root);
    }
    gpuc_free(out);
    return root;
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
