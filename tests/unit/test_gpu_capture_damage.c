/* SPDX-License-Identifier: Apache-2.0 */
/* Every capture cut, and with bytes changed: fixtures at each byte, and captures of real machines,
 * where they are at hand, at evenly spread ones and around each border of an element or a line. With
 * GPUC_DAMAGE_ALL=TEXT all files that have the text in their name ("." for all of them) are cut at each
 * byte, and every seventh byte is changed: an hour without sanitizers. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/gpu_data.h"

#define FIXTURES GPUC_TEST_DATA "/nvidia-smi"
#define CAPTURES GPUC_TEST_DATA "/../../../shared/samples/"

/* Cuts of one file; what is left over of the time goes to changes. */
#define WORK_MAX (4u * 1024 * 1024)
#define ALL_STEP 7 /* of changes, when cuts are at each byte: time goes with the square of the length */

static size_t parses;

static bool every_byte(void)
{
    return getenv("GPUC_DAMAGE_ALL") != NULL;
}

static void assert_report(const char *text)
{
    json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, NULL);

    assert_true(json_is_array(json_object_get(root, "gpus")));
    json_decref(root);
}

/* In memory of its own size, so that a sanitizer sees a read past the end. */
static void parse_copy(const char *text, size_t length)
{
    char *copy = malloc(length ? length : 1);
    char *out = NULL;
    gpuc_error *err = NULL;
    int rc;

    assert_non_null(copy);
    memcpy(copy, text, length);
    rc = gpuc_gpu_parse(&out, copy, length, &err);
    assert_true((rc == GPUC_OK) == (out != NULL));
    assert_true((rc == GPUC_OK) == (err == NULL));
    if (rc < 0)
        assert_int_equal(rc, GPUC_EPROTO);
    else if (parses % (every_byte() ? 16 : 1) == 0)
        assert_report(out);
    parses++;
    gpuc_free(out);
    gpuc_error_unref(err);
    free(copy);
}

static bool is_border(const char *text, size_t at)
{
    return at && (text[at - 1] == '>' || text[at - 1] == '\n' || text[at] == '<');
}

/* How far apart cuts are, so that all of them read no more than WORK_MAX bytes. */
static size_t step_of(size_t length)
{
    size_t step = length * length / 2 / WORK_MAX;

    return step && !every_byte() ? step : 1;
}

static void cut(const char *text, size_t length)
{
    size_t step = step_of(length), borders = 0, each;

    for (size_t at = 0; at < length; at++)
        borders += is_border(text, at);
    each = step_of(length) == 1 ? 1 : borders * length / 2 / WORK_MAX + 1;
    borders = 0;
    for (size_t at = 0; at < length; at++) {
        if (at % step == 0 || (is_border(text, at) && borders++ % each == 0))
            parse_copy(text, at);
    }
}

static void change(const char *text, size_t length)
{
    static const char with[] = "<>&\"/ \0\xff\n\t|:,9-";
    size_t step = every_byte() ? ALL_STEP : 2 * step_of(length);
    char *copy = malloc(length);

    assert_non_null(copy);
    memcpy(copy, text, length);
    for (size_t at = 0, n = 0; at < length; at += step, n++) {
        char was = copy[at];

        copy[at] = with[n % (sizeof(with) - 1)];
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
        char name[1024], *text;
        size_t length = 0;

        if (entry->d_name[0] == '.' || (every_byte() && !strstr(entry->d_name, getenv("GPUC_DAMAGE_ALL"))))
            continue;
        snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
        text = gpu_read(name, &length);
        assert_non_null(text);
        if (every_byte())
            print_message("%s, %zu bytes\n", entry->d_name, length);
        cut(text, length);
        change(text, length);
        free(text);
        files++;
    }
    if (directory)
        closedir(directory);
    return files;
}

static void test_gpu_capture_damage__fixtures(void **state)
{
    int files = damage_all(FIXTURES);

    assert_true(files >= 18 || every_byte());
}

static void test_gpu_capture_damage__captures(void **state)
{
    int files = damage_all(CAPTURES "nvidia-smi") + damage_all(CAPTURES "logs");

    if (!files) {
        print_message("no captures of real machines beside the source tree: skipped\n");
        skip();
    }
    print_message("%d captures, %zu damaged ones\n", files, parses);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gpu_capture_damage__fixtures),
        cmocka_unit_test(test_gpu_capture_damage__captures),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
