/* SPDX-License-Identifier: Apache-2.0 */
/* Facts of a machine: read within bounds, refused when they cannot be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "recipe/facts.h"
#include "recipe/render.h"
#include "util/alloc.h"

#define BASE "os=debian-12\nboot_id=1-2\n"

static int parse(gpuc__facts *facts, const char *text)
{
    return gpuc__facts_parse(facts, text, strlen(text), NULL);
}

static void test_recipe_facts__reads_values(void **state)
{
    gpuc__facts f;
    assert_int_equal(parse(&f, BASE "cgroup=1\ncontainer=1\nmemory_kib=2048\nkernel=6.1 x\n"
                                    "gpu_devices=0000:00:04.0 10de:1eb8 0000:00:05.0 10de:20b0\n"
                                    "later_key=what\nsystemd=\nowner=id name\n"),
                     GPUC_OK);
    assert_string_equal(f.os, "debian-12");
    assert_string_equal(f.kernel, "6.1 x");
    assert_int_equal(f.cgroup, 1);
    assert_int_equal(f.systemd, 0);
    assert_true(f.container);
    assert_false(f.swap);
    assert_int_equal(f.memory_kib, 2048);
    assert_int_equal(f.gpu_count, 2);
    assert_int_equal(f.gpu_devices[0], 0x1eb8);
    assert_int_equal(f.gpu_devices[1], 0x20b0);
}

static void test_recipe_facts__refuses(void **state)
{
    gpuc__facts f;
    char big[8192];
    memset(&f, 7, sizeof(f));
    assert_int_equal(parse(&f, ""), GPUC_EPROTO);
    assert_int_equal(parse(&f, "os=debian-12\n"), GPUC_EPROTO);
    assert_int_equal(parse(&f, BASE "cpus=many\n"), GPUC_EPROTO);
    assert_int_equal(parse(&f, BASE "cpus=-1\n"), GPUC_EPROTO);
    assert_int_equal(parse(&f, BASE "memory_kib=99999999999999999999\n"), GPUC_EPROTO);
    assert_int_equal(parse(&f, BASE "container=2\n"), GPUC_EPROTO);
    assert_int_equal(parse(&f, BASE "gpu_devices=x 10de:zz\n"), GPUC_EPROTO);
    memset(big, 'a', sizeof(big) - 1);
    big[sizeof(big) - 1] = 0;
    assert_int_equal(parse(&f, big), GPUC_EPROTO);
    memcpy(big, "os=", 3);
    big[200] = '\n';
    big[201] = 0;
    assert_int_equal(parse(&f, big), GPUC_EPROTO);
    assert_int_equal(gpuc__facts_parse(&f, "os=\0\n", 5, NULL), GPUC_EPROTO);
    /* Nothing was written. */
    assert_int_equal(((unsigned char *)&f)[0], 7);
}

/* The fragment itself, on whatever machine runs the tests. */
static void test_recipe_facts__of_this_machine(void **state)
{
    char *script = NULL, *command = NULL;
    char text[16384], name[] = "/tmp/gpuc-facts-XXXXXX";
    assert_int_equal(gpuc__recipe_render_fragment(&script, "facts.sh", NULL), GPUC_OK);
    int fd = mkstemp(name);
    assert_true(fd >= 0);
    FILE *file = fdopen(fd, "w");
    fputs(script, file);
    fclose(file);
    command = gpuc__asprintf("sh -s <%s 2>&1", name);
    FILE *pipe = popen(command, "r");
    size_t n = fread(text, 1, sizeof(text) - 1, pipe);
    text[n] = 0;
    int status = pclose(pipe);
    remove(name);
    gpuc__facts f;
    gpuc_error *err = NULL;
    if (gpuc__facts_parse(&f, text, n, &err) != GPUC_OK || status != 0)
        fail_msg("status %d, %s: %s", status, err ? gpuc_error_message(err) : "", text);
    assert_int_equal(strlen(f.boot_id), 36);
    assert_true(f.cgroup == 1 || f.cgroup == 2);
    assert_true(f.cpus >= 1);
    gpuc__free(script);
    gpuc__free(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recipe_facts__reads_values),
        cmocka_unit_test(test_recipe_facts__refuses),
        cmocka_unit_test(test_recipe_facts__of_this_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
