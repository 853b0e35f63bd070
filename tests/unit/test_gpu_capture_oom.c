/* SPDX-License-Identifier: Apache-2.0 */
/* Captures read with each allocation failing in turn, jansson's too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "gpu/capture.h"
#include "support/gpu_data.h"

static long left; /* allocations that still work; -1: all */

static int spend(void)
{
    if (left == 0)
        return 0;
    if (left > 0)
        left--;
    return 1;
}

static void *failing_malloc(size_t size)
{
    return spend() ? malloc(size) : NULL;
}

static void *failing_realloc(void *memory, size_t size)
{
    return spend() ? realloc(memory, size) : NULL;
}

static const gpuc_allocator allocator = {failing_malloc, failing_realloc, free};

/* Gives how many allocations reading takes. */
static long fail_each(const char *name)
{
    size_t length;
    char *text = gpu_fixture(name, &length), *whole = NULL;
    int rc = GPUC_ENOMEM;
    long n = 0;

    assert_int_equal(gpuc_gpu_parse(&whole, text, length, NULL), GPUC_OK);
    for (; rc != GPUC_OK && n < 10000; n++) {
        gpuc_error *err = NULL;
        char *out = NULL;

        left = n;
        rc = gpuc_gpu_parse(&out, text, length, &err);
        left = -1;
        /* Of a compiled in table that it has no memory for, jansson says that it is no JSON. */
        if (rc != GPUC_OK && rc != GPUC_ENOMEM && rc != GPUC_EINTERNAL)
            fail_msg("%s: with %ld allocations: %d, %s", name, n, rc, gpuc_error_message(err));
        assert_true((rc == GPUC_OK) == (out != NULL));
        assert_true((rc == GPUC_OK) == (err == NULL));
        if (rc == GPUC_OK)
            assert_string_equal(out, whole); /* nothing was left out in silence */
        gpuc_error_unref(err);
        gpuc_free(out);
    }
    assert_int_equal(rc, GPUC_OK);
    gpuc_free(whole);
    free(text);
    return n;
}

static void test_gpu_capture_oom__each_form(void **state)
{
    static const char *const files[] = {"several.txt",        "table-610-mig.txt", "query-gpu.csv",
                                        "help-query-gpu.txt", "lost-handle.txt",   "two-gpus-580.xml"};

    left = -1;
    gpuc_set_allocator(&allocator);
    json_set_alloc_funcs(failing_malloc, free);
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        assert_true(fail_each(files[i]) > 10);
    json_set_alloc_funcs(malloc, free);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gpu_capture_oom__each_form),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
