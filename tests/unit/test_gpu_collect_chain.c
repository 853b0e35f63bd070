/* SPDX-License-Identifier: Apache-2.0 */
/* What is between the driver and Kubernetes on a machine: the section's reader, and the script over
 * stand-ins for containerd, systemctl and nvidia-ctk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "gpu/collect.h"
#include "support/run_program.h"
#include "util/alloc.h"

#define N "a1b2c3d4e5f60718"

static gpuc__collect_chain parse(const char *text)
{
    gpuc__collect_chain c;

    gpuc__collect_read_chain(&c, text, strlen(text), true);
    return c;
}

static void test_chain__section(void **state)
{
    gpuc__collect_chain c = parse("runtime=/usr/bin/nvidia-container-runtime\ntoolkit=CLI 1.19.0\n"
                                 "containerd=active\nkubelet=failed\nhandler=runc\nhandler=nvidia\n"
                                 "binary=/x=y\nbinary_is_there=1\ndefault_handler=runc\nunread=/etc/a\n"
                                 "cdi=/etc/cdi/nvidia.yaml\ncdi=/var/run/cdi/nvidia.json\n"
                                 "sockets_known=1\nsocket=kubelet.sock\nsocket=nvidia-gpu.sock\n");

    assert_true(c.known && c.config_known && c.handler && c.binary_is_there && c.sockets_known);
    assert_true(c.kubelet_socket && c.plugin_socket);
    assert_string_equal(c.toolkit, "CLI 1.19.0");
    assert_string_equal(c.kubelet, "failed");
    assert_string_equal(c.binary, "/x=y");
    assert_string_equal(c.unread, "/etc/a");
    assert_int_equal(c.cdi_files, 2);
    c = parse("handler=runc\nsocket=other.sock\nno value\n=\nunknown=1\ncontainerd=\x01zz\n");
    assert_true(c.config_known && !c.handler && !c.plugin_socket && !c.sockets_known);
    assert_string_equal(c.containerd, "?zz");
}

static void test_chain__long_and_cut(void **state)
{
    char text[2000];
    gpuc__collect_chain c;

    memset(text, 'a', sizeof(text));
    memcpy(text, "binary=", 7);
    memcpy(text + 300, "\nruntime=", 9);
    gpuc__collect_read_chain(&c, text, sizeof(text), false);
    assert_false(c.known);
    assert_int_equal(strlen(c.binary), sizeof(c.binary) - 1);
    assert_string_equal(c.runtime, ""); /* a line beyond all bounds is not read */
    gpuc__collect_read_chain(&c, NULL, 0, false);
    assert_false(c.known);
}

static void put(const char *dir, const char *name, const char *text)
{
    char path[300];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    assert_int_equal(chmod(path, 0755), 0);
}

/* quote: containerd 2 writes single quotes, containerd 1 double ones. */
static void run_over(const char *dir, const char *quote, gpuc__collect_chain *out)
{
    run_result *r = calloc(1, sizeof(*r));
    char *script = NULL, text[2000], table[200];
    gpuc__collect *c = NULL;

    assert_non_null(r);
    snprintf(table, sizeof(table), "plugins.%sio.containerd.cri%s.containerd", quote, quote);
    snprintf(text, sizeof(text),
             "#!/bin/sh\ncat <<'T'\nversion = 3\n  [%s]\n    default_runtime_name = %sruncx%s\n"
             "      [%s.runtimes.runc]\n        [%s.runtimes.runc.options]\n"
             "          BinaryName = %s/runc%s\n      [%s.runtimes.nvidia]\n"
             "        [%s.runtimes.nvidia.options]\n          BinaryName = %s/bin/sh%s\nT\n",
             table, quote, quote, table, table, quote, quote, table, table, quote, quote);
    put(dir, "containerd", text);
    put(dir, "systemctl", "#!/bin/sh\necho active\n");
    put(dir, "nvidia-ctk", "#!/bin/sh\necho CTK 9\necho more\n");
    assert_int_equal(gpuc__collect_script(&script, N, NULL), GPUC_OK);
    snprintf(text, sizeof(text), "PATH=%s:$PATH exec sh -s", dir);
    run_program(r, text, script);
    assert_int_equal(r->status, 0);
    assert_int_equal(gpuc__collect_parse(&c, N, r->out, r->out_length, NULL, NULL), GPUC_OK);
    *out = c->chain;
    gpuc__collect_free(c);
    gpuc__free(script);
    free(r);
}

static void test_chain__script(void **state)
{
    const char *const quotes[] = {"'", "\""};
    char dir[] = "/tmp/gpuc-chain-XXXXXX", command[100];

    assert_non_null(mkdtemp(dir));
    for (int i = 0; i < 2; i++) {
        gpuc__collect_chain c;

        run_over(dir, quotes[i], &c);
        assert_true(c.known && c.config_known && c.handler && c.binary_is_there);
        assert_string_equal(c.binary, "/bin/sh");
        assert_string_equal(c.default_handler, "runcx");
        assert_string_equal(c.toolkit, "CTK 9");
        assert_string_equal(c.containerd, "active");
        assert_string_equal(c.kubelet, "active");
    }
    snprintf(command, sizeof(command), "rm -r %s", dir);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chain__section),
        cmocka_unit_test(test_chain__long_and_cut),
        cmocka_unit_test(test_chain__script),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
