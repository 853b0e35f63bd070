/* SPDX-License-Identifier: Apache-2.0 */
/* Errors: their fields, causes, JSON, and what they become without memory. */
#include "util_test.h"

#include <errno.h>
#include <jansson.h>
#include <pthread.h>

#include "util/alloc.h"
#include "util/error.h"

static void test_error__carries_everything(void **state)
{
    gpuc_error *error = NULL;

    assert_int_equal(
        gpuc__error_set(&error, GPUC_EREMOTE, GPUC_DOMAIN_MACHINE, "exit status %d", 100),
        GPUC_EREMOTE);
    gpuc__error_native(&error, 100);
    gpuc__error_at(&error, "w-0", "os.swap");
    gpuc__error_at(&error, NULL, NULL); /* leaves them */
    gpuc__error_evidence(&error, "E: no lock", 10);
    gpuc__error_remedy(&error, "wait for %s", "apt");
    assert_int_equal(gpuc_error_code(error), GPUC_EREMOTE);
    assert_int_equal(gpuc_error_domain(error), GPUC_DOMAIN_MACHINE);
    assert_int_equal(gpuc_error_native_code(error), 100);
    assert_string_equal(gpuc_error_message(error), "exit status 100");
    assert_string_equal(gpuc_error_machine(error), "w-0");
    assert_string_equal(gpuc_error_step(error), "os.swap");
    assert_string_equal(gpuc_error_evidence(error), "E: no lock");
    assert_string_equal(gpuc_error_remedy(error), "wait for apt");
    assert_int_equal(gpuc_error_retryable(error), 0);
    gpuc__error_retryable(&error, true);
    assert_int_equal(gpuc_error_retryable(error), 1);
    assert_null(gpuc_error_cause(error));
    assert_null(gpuc_error_unref(gpuc_error_ref(error)));
    gpuc_error_unref(error);
}

static void test_error__first_error_stays(void **state)
{
    gpuc_error *error = NULL;

    gpuc__error_set(&error, GPUC_EIO, GPUC_DOMAIN_NONE, "first");
    gpuc__error_set(&error, GPUC_EINVAL, GPUC_DOMAIN_NONE, "second");
    assert_int_equal(gpuc__error_nomem(&error), GPUC_ENOMEM);
    assert_string_equal(gpuc_error_message(error), "first");
    gpuc_error_unref(error);
    /* Nobody asks: nothing is made, the code is given all the same. */
    assert_int_equal(gpuc__error_set(NULL, GPUC_EINVAL, GPUC_DOMAIN_NONE, "x"), GPUC_EINVAL);
    gpuc__error_remedy(NULL, "x");
    gpuc__error_native(NULL, 1);
}

static void test_error__errno_decides_the_code(void **state)
{
    static const struct {
        int number, code;
    } table[] = {{ENOENT, GPUC_ENOTFOUND},
                 {EACCES, GPUC_EPERM},
                 {EPERM, GPUC_EPERM},
                 {ENOSPC, GPUC_EIO},
                 {ENOMEM, GPUC_ENOMEM}};

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        gpuc_error *error = NULL;

        assert_int_equal(gpuc__error_errno(&error, table[i].number, "opening %s", "f"),
                         table[i].code);
        assert_int_equal(gpuc_error_code(error), table[i].code);
        if (table[i].number != ENOMEM) {
            assert_int_equal(gpuc_error_native_code(error), table[i].number);
            assert_non_null(strstr(gpuc_error_message(error), "opening f: "));
        }
        gpuc_error_unref(error);
    }
}

static void test_error__wrap_keeps_the_cause(void **state)
{
    gpuc_error *error = NULL;
    char *text;
    json_t *json, *cause;

    gpuc__error_set(&error, GPUC_ENETWORK, GPUC_DOMAIN_SSH, "no route \x80 to it");
    gpuc__error_at(&error, "m", "s");
    gpuc__error_remedy(&error, "mend it");
    gpuc__error_evidence(&error, "seen", 4);
    gpuc__error_wrap(&error, GPUC_ESTEP, GPUC_DOMAIN_NONE, "the step failed");
    assert_string_equal(gpuc_error_remedy(error), "mend it");
    assert_string_equal(gpuc_error_evidence(error), "seen");
    assert_int_equal(gpuc_error_code(error), GPUC_ESTEP);
    assert_string_equal(gpuc_error_machine(error), "m");
    assert_int_equal(gpuc_error_retryable(error), 1);
    assert_int_equal(gpuc_error_code(gpuc_error_cause(error)), GPUC_ENETWORK);
    text = gpuc_error_to_json(error);
    json = json_loads(text, 0, NULL);
    assert_non_null(json);
    assert_string_equal(json_string_value(json_object_get(json, "name")), "GPUC_ESTEP");
    cause = json_object_get(json, "cause");
    assert_string_equal(json_string_value(json_object_get(cause, "message")), "no route ? to it");
    assert_true(json_is_null(json_object_get(cause, "cause")));
    json_decref(json);
    gpuc_free(text);
    gpuc_error_unref(error);
}

static void test_error__evidence_is_bounded(void **state)
{
    gpuc_error *error = NULL;
    char *long_text = test_malloc(10000);

    memset(long_text, 'a', 9999);
    long_text[9998] = 'z';
    gpuc__error_set(&error, GPUC_EIO, GPUC_DOMAIN_NONE, "x");
    gpuc__error_evidence(&error, long_text, 9999);
    assert_int_equal(strlen(gpuc_error_evidence(error)), 4096);
    assert_int_equal(gpuc_error_evidence(error)[4095], 'z'); /* the end is what tells */
    test_free(long_text);
    gpuc_error_unref(error);
}

static char *upper(void *data, const char *text)
{
    char *copy = gpuc__strdup(text);

    ++*(int *)data;
    if (copy && *copy)
        copy[0] = 'X';
    return copy;
}

static char *drop(void *data, const char *text)
{
    return NULL;
}

static void test_error__texts_can_be_mapped(void **state)
{
    gpuc_error *error = NULL;
    int count = 0;

    gpuc__error_set(&error, GPUC_EIO, GPUC_DOMAIN_NONE, "inner");
    gpuc__error_wrap(&error, GPUC_ESTEP, GPUC_DOMAIN_NONE, "outer");
    gpuc__error_remedy(&error, "look");
    gpuc__error_map_text(error, upper, &count);
    assert_int_equal(count, 3);
    assert_string_equal(gpuc_error_message(error), "Xuter");
    assert_string_equal(gpuc_error_message(gpuc_error_cause(error)), "Xnner");
    assert_string_equal(gpuc_error_remedy(error), "Xook");
    gpuc__error_map_text(error, drop, NULL);
    assert_non_null(gpuc_error_message(error)); /* never NULL */
    assert_null(gpuc_error_remedy(error));
    gpuc__error_map_text(NULL, drop, NULL);
    gpuc_error_unref(error);
}

/* However many allocations work, making an error ends in an error. */
static void test_error__cannot_fail_without_memory(void **state)
{
    for (int n = 0; n < 12; n++) {
        gpuc_error *error = NULL;
        int code;

        allow_allocations(n);
        gpuc__error_set(&error, GPUC_EAUTH, GPUC_DOMAIN_SSH, "refused %d", n);
        gpuc__error_at(&error, "m", "s");
        gpuc__error_remedy(&error, "look");
        gpuc__error_evidence(&error, "text", 4);
        gpuc__error_wrap(&error, GPUC_ESTEP, GPUC_DOMAIN_NONE, "outer");
        allow_allocations(-1);
        assert_non_null(error);
        code = gpuc_error_code(error);
        assert_true(code == GPUC_ENOMEM || code == GPUC_ESTEP);
        assert_non_null(gpuc_error_message(error));
        gpuc_error_unref(gpuc_error_ref(error));
        gpuc_error_unref(error);
    }
}

static void test_error__every_code_has_its_name(void **state)
{
    for (int code = GPUC_OK; code >= GPUC_EINTERNAL; code--)
        assert_string_not_equal(gpuc_error_name(code), "GPUC_E?");
    assert_string_equal(gpuc_error_name(GPUC_EINTERNAL - 1), "GPUC_E?");
    assert_string_equal(gpuc_error_name(GPUC_EHOSTKEY), "GPUC_EHOSTKEY");
    assert_string_equal(gpuc_version(), "0.1.0");
}

static void *churn(void *data)
{
    for (int i = 0; i < 10000; i++)
        gpuc_error_unref(gpuc_error_ref(data));
    return NULL;
}

static void test_error__references_from_threads(void **state)
{
    gpuc_error *error = NULL;
    pthread_t threads[3];

    gpuc__error_set(&error, GPUC_EIO, GPUC_DOMAIN_NONE, "shared");
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, churn, error), 0);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    assert_string_equal(gpuc_error_message(error), "shared");
    gpuc_error_unref(error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_error__carries_everything),
        cmocka_unit_test(test_error__first_error_stays),
        cmocka_unit_test(test_error__errno_decides_the_code),
        cmocka_unit_test(test_error__wrap_keeps_the_cause),
        cmocka_unit_test(test_error__evidence_is_bounded),
        cmocka_unit_test(test_error__texts_can_be_mapped),
        cmocka_unit_test(test_error__cannot_fail_without_memory),
        cmocka_unit_test(test_error__every_code_has_its_name),
        cmocka_unit_test(test_error__references_from_threads),
    };

    return cmocka_run_group_tests_name("error", tests, NULL, NULL);
}
