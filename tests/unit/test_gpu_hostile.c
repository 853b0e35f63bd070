/* SPDX-License-Identifier: Apache-2.0 */
/* What a machine may print that would cost much time, or be taken for a lack of memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "gpu/smi_xml.h"
#include "support/gpu_data.h"
#include "support/gpu_machine.h"

#define DOCUMENT "<nvidia_smi_log><gpu id=\"0:1:0\"></gpu></nvidia_smi_log>"

static int refused(const char *text, const char *says)
{
    gpuc__smi *smi = NULL;
    gpuc_error *err = NULL;
    int rc = gpuc__smi_parse(&smi, text, strlen(text), &err);

    assert_null(smi);
    assert_non_null(err);
    if (!strstr(gpuc_error_message(err), says))
        fail_msg("\"%s\" is not in \"%s\"", says, gpuc_error_message(err));
    assert_non_null(gpuc_error_remedy(err));
    gpuc_error_unref(err);
    return rc;
}

static size_t count_gpus(const char *text)
{
    gpuc_error *damage = NULL;
    gpuc__smi *smi = NULL;
    size_t count;

    assert_int_equal(gpuc__smi_parse_damaged(&smi, &damage, text, strlen(text), NULL), GPUC_OK);
    count = smi->gpu_count;
    gpuc_error_unref(damage);
    gpuc__smi_free(smi);
    return count;
}

/* libxml2 compares each word of such a list with all before it. */
static void test_gpu_hostile__a_doctype_with_declarations(void **state)
{
    assert_int_equal(refused("<!DOCTYPE nvidia_smi_log [<!ATTLIST gpu a (b|c|d) #IMPLIED>]>" DOCUMENT,
                             "declarations"),
                     GPUC_EPROTO);
    assert_int_equal(refused("<!DOCTYPE nvidia_smi_log SYSTEM \"v.dtd\" []>" DOCUMENT, "declarations"),
                     GPUC_EPROTO);
    assert_int_equal(count_gpus("<!DOCTYPE nvidia_smi_log SYSTEM \"v[1].dtd\">" DOCUMENT), 1);
}

/* The same for attributes. */
static void test_gpu_hostile__attributes(void **state)
{
    char text[4096];
    size_t at, allowed = 0;

    for (int n = 0; n < 100; n++) {
        at = (size_t)snprintf(text, sizeof(text), "<nvidia_smi_log>");
        for (int i = 0; i < 3; i++) { /* each element has a count of its own */
            at += (size_t)snprintf(text + at, sizeof(text) - at, "<gpu");
            for (int k = 0; k < n; k++)
                at += (size_t)snprintf(text + at, sizeof(text) - at, " a%d%s'>'", k, k % 2 ? "=" : "=\n");
            at += (size_t)snprintf(text + at, sizeof(text) - at, "></gpu>");
        }
        snprintf(text + at, sizeof(text) - at, "</nvidia_smi_log>");
        if (n <= 64)
            allowed += count_gpus(text) == 3;
        else
            assert_int_equal(refused(text, "number of attributes"), GPUC_ELIMIT);
    }
    assert_int_equal(allowed, 65);
}

/* A document that is cut, and behind it the rules of a table. */
static void test_gpu_hostile__rules_are_no_attributes(void **state)
{
    char text[1024] = "<nvidia_smi_log><gpu id=\"0:1:0\"><uuid>GPU-1</uuid>\n|";
    size_t at = strlen(text);

    memset(text + at, '=', 500);
    assert_int_equal(count_gpus(text), 1);
}

static void test_gpu_hostile__link_errors(void **state)
{
#define LINK(name, what) "GPU 0: NVIDIA (UUID: " name ")\n\t Link 0: CRC Errors: " what "\n"
    gpu_machine m = {.facts = "kernel=6.1",
                     .nvlink_errors = LINK("GPU-1", "inf") LINK("GPU-2", "nan") LINK("GPU-3", "1e999")
                         LINK("GPU-\xff\xc3", "3") LINK("GPU-4", "7")};
    gpuc__collect *c = gpu_machine_collect(&m);

    assert_null(json_object_get(c->link_errors, "GPU-1"));
    assert_null(json_object_get(c->link_errors, "GPU-2"));
    assert_null(json_object_get(c->link_errors, "GPU-3"));
    assert_int_equal(json_number_value(json_object_get(c->link_errors, "GPU-4")), 7);
    gpuc__collect_free(c);
}

/* A letter of several bytes where a cell is cut. */
static void test_gpu_hostile__a_halved_letter(void **state)
{
    char text[512], cell[128];

    memset(cell, 'a', sizeof(cell));
    for (size_t before = 90; before < 97; before++) {
        json_t *root, *topology;

        snprintf(cell + before, sizeof(cell) - before, "\xf0\x9f\x98\x80 x");
        snprintf(text, sizeof(text), "\tGPU0\tGPU1\nGPU0\tX\t%s\nGPU1\tX\tX\n", cell);
        root = gpu_parse(text, strlen(text), NULL);
        topology = json_object_get(root, "topology");
        assert_int_equal(json_array_size(json_object_get(topology, "links")), 1);
        json_decref(root);
        memset(cell, 'a', sizeof(cell));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gpu_hostile__a_doctype_with_declarations),
        cmocka_unit_test(test_gpu_hostile__attributes),
        cmocka_unit_test(test_gpu_hostile__rules_are_no_attributes),
        cmocka_unit_test(test_gpu_hostile__link_errors),
        cmocka_unit_test(test_gpu_hostile__a_halved_letter),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
