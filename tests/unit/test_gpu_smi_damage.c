/* SPDX-License-Identifier: Apache-2.0 */
/* nvidia-smi's XML cut and changed: every fixture, and real captures where they are at hand. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "gpu/smi_xml.h"
#include "support/gpu_data.h"

#define FIXTURES GPUC_TEST_DATA "/nvidia-smi"
#define CAPTURES GPUC_TEST_DATA "/../../../shared/samples/nvidia-smi"

/* In memory of its own size, so that a sanitizer sees a read past the end. */
static int parse_copy(const char *text, size_t length)
{
    char *copy = malloc(length ? length : 1);
    gpuc__smi *smi = NULL;
    gpuc_error *err = NULL;
    int rc;

    assert_non_null(copy);
    memcpy(copy, text, length);
    rc = gpuc__smi_parse(&smi, copy, length, &err);
    assert_true((rc == GPUC_OK) == (smi != NULL));
    assert_true((rc == GPUC_OK) == (err == NULL));
    gpuc__smi_free(smi);
    gpuc_error_unref(err);
    free(copy);
    return rc;
}

static void damage(const char *text, size_t length)
{
    const char *end = strstr(text, "</nvidia_smi_log>");
    size_t step = length > 64 * 1024 ? 97 : length > 8 * 1024 ? 7 : 1, whole;
    char *copy = malloc(length);

    assert_non_null(end);
    assert_non_null(copy);
    whole = (size_t)(end - text) + strlen("</nvidia_smi_log>");
    for (size_t cut = 0; cut < length; cut += step) {
        int rc = parse_copy(text, cut);

        if (cut < whole)
            assert_int_equal(rc, GPUC_EPROTO);
        else
            assert_int_equal(rc, GPUC_OK);
    }
    memcpy(copy, text, length);
    for (size_t at = 0; at < length; at += step) {
        static const char with[] = "<>&\"/ \0\xff";
        char was = copy[at];

        copy[at] = with[at % (sizeof(with) - 1)];
        parse_copy(copy, length);
        copy[at] = was;
    }
    free(copy);
}

static int damage_all(const char *path)
{
    DIR *directory = opendir(path);
    struct dirent *entry;
    int files = 0;

    while (directory && (entry = readdir(directory))) {
        const char *dot = strrchr(entry->d_name, '.');
        char name[1024], *text;
        size_t length;

        if (!dot || strcmp(dot, ".xml") != 0 || strncmp(entry->d_name, "hostile", 7) == 0)
            continue;
        snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
        text = gpu_read(name, &length);
        assert_non_null(text);
        if (parse_copy(text, length) != GPUC_OK)
            fail_msg("%s cannot be read", name);
        damage(text, length);
        free(text);
        files++;
    }
    if (directory)
        closedir(directory);
    return files;
}

static void test_gpu_smi_damage__fixtures(void **state)
{
    assert_true(damage_all(FIXTURES) >= 5);
}

static void test_gpu_smi_damage__captures(void **state)
{
    int files = damage_all(CAPTURES);

    if (!files) {
        print_message("no captures of real machines beside the source tree: skipped\n");
        skip();
    }
    print_message("%d captures\n", files);
}

static gpuc__smi *capture(const char *name)
{
    char path[1024], *text;
    gpuc__smi *smi = NULL;
    size_t length;

    snprintf(path, sizeof(path), CAPTURES "/%s", name);
    text = gpu_read(path, &length);
    if (text)
        assert_int_equal(gpuc__smi_parse(&smi, text, length, NULL), GPUC_OK);
    free(text);
    return smi;
}

static void test_gpu_smi_damage__captures_have_values(void **state)
{
    gpuc__smi *h100 = capture("qx-h100.xml"), *lost = capture("qx-gb200-lost.xml");

    if (!h100 || !lost) {
        print_message("no captures of real machines beside the source tree: skipped\n");
        skip();
    }
    assert_int_equal(h100->gpu_count, 8);
    for (size_t i = 0; i < 8; i++) {
        const gpuc__smi_gpu *g = &h100->gpus[i];

        assert_int_equal(g->field[GPUC__SMI_MEMORY_TOTAL].number, 81559);
        assert_int_equal(gpuc__smi_ecc_uncorrected(g).number, 0);
        assert_int_equal(g->sick_count, 0);
        assert_true(g->processes_known);
        assert_int_equal(g->field[GPUC__SMI_TEMPERATURE].state, GPUC__SMI_KNOWN);
    }
    assert_int_equal(lost->gpu_count, 2);
    assert_int_equal(gpuc__smi_ecc_uncorrected(&lost->gpus[0]).number, 5);
    assert_int_equal(lost->gpus[1].sick, GPUC__SMI_LOST);
    gpuc__smi_free(h100);
    gpuc__smi_free(lost);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gpu_smi_damage__fixtures),
        cmocka_unit_test(test_gpu_smi_damage__captures),
        cmocka_unit_test(test_gpu_smi_damage__captures_have_values),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
