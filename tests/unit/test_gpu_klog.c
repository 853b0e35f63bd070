/* SPDX-License-Identifier: Apache-2.0 */
/* The reader of kernel logs: forms, times, boots, bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "gpu/klog.h"
#include "gpu/tables.h"

static json_t *table;

static int set_up(void **state)
{
    (void)state;
    return gpuc__table_load(&table, "gpu/xid.json", NULL);
}

static int tear_down(void **state)
{
    (void)state;
    json_decref(table);
    return 0;
}

static gpuc__klog *parse(const char *text)
{
    gpuc__klog *log = NULL;

    assert_int_equal(gpuc__klog_parse(&log, table, text, strlen(text), NULL), GPUC_OK);
    return log;
}

static void test_gpu_klog__xids_of_all_forms(void **state)
{
    static const struct {
        const char *line, *bus, *time;
        int xid;
        bool nonfatal;
    } cases[] = {
        {"[Sun Feb 23 16:24:18 2025] NVRM: Xid (PCI:0000:9b:00): 119, pid=1, name=x, Timeout",
         "0000:9b:00.0", "Sun Feb 23 16:24:18 2025", 119, false},
        {"2025-02-23T16:24:18+0000 h1 kernel: NVRM: Xid (PCI:0001:00:00): 79, pid='<unknown>', "
         "name=<unknown>, GPU has fallen off the bus.",
         "0001:00:00.0", "2025-02-23T16:24:18+0000", 79, false},
        {"Nov 22 18:29:55 h1 kernel: [  966.503025] NVRM: Xid (0000:01:00): 31, Ch 0000000b, mask",
         "0000:01:00.0", "Nov 22 18:29:55", 31, false},
        {"[  966.503025] NVRM: Xid (PCI:0000:5d:00 GPU-I:05): 13, pid=7", "0000:5d:00.0",
         "966.503025", 13, false},
        {"[1.0] NVRM: Xid (PCI:0018:01:00): 149, NETIR_BER_EVENT Nonfatal XC0 i0 Link 03 (0x0 0x1)",
         "0018:01:00.0", "1.0", 149, true},
        {"[1.0] NVRM: Xid (PCI:0008:01:00): 145, pid=9, name=a b, RLW_SRC_TRACK Fatal XC1 i0 Link "
         "03 (0x04",
         "0008:01:00.0", "1.0", 145, false},
        {"NVRM: Xid (PCI:00000000:3b:00): 48, DBE", "0000:3b:00.0", "", 48, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        gpuc__klog *log = parse(cases[i].line);

        assert_int_equal(log->count, 1);
        assert_int_equal(log->events[0].xid, cases[i].xid);
        assert_string_equal(log->events[0].bus, cases[i].bus);
        assert_string_equal(log->events[0].first, cases[i].time);
        assert_int_equal(log->events[0].nonfatal, cases[i].nonfatal);
        assert_int_equal(log->events[0].count, 1);
        gpuc__klog_free(log);
    }
}

static void test_gpu_klog__what_is_no_xid(void **state)
{
    static const char *const lines[] = {
        "", "\n\n", "[1.0] NVRM: Xid (PCI:0000:9b:00): x", "[1.0] NVRM: Xid (PCI:0000:9b:00): 0",
        "[1.0] NVRM: Xid (PCI:0000:9b:00): 99999", "[1.0] NVRM: Xid (PCI:0000:9b:00", "[",
        "kernel: ", "[1.0] NVRM: GPU4 RPC history (CPU -> GSP):",
        "[1.0] nvidia: module license 'NVIDIA' taints kernel.",
        "[1.0] nvidia: module verification failed: signature and/or required key missing - tainting"};

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        gpuc__klog *log = parse(lines[i]);

        assert_int_equal(log->count, 0);
        gpuc__klog_free(log);
    }
}

static void test_gpu_klog__messages(void **state)
{
    static const struct {
        const char *text, *id, *bus, *other;
    } cases[] = {
        {"[1.0] NVRM: GPU 0000:b3:00.0: GPU has fallen off the bus.", "fallen", "0000:b3:00.0", ""},
        {"[1.0] NVRM: The NVIDIA GPU 0000:5d:00.0\n"
         "[1.0] NVRM: (PCI ID: 10de:2330) installed in this system has\n"
         "[1.0] NVRM: fallen off the bus and is not responding to commands.",
         "fallen", "0000:5d:00.0", ""},
        {"[1.0] NVRM: The NVIDIA GPU 0000:01:00.0 (PCI ID: 10de:1b80)\n"
         "[1.0] NVRM: installed in this system is not supported by open nvidia.ko because it does "
         "not",
         "needs_proprietary", "0000:01:00.0", ""},
        {"[1.0] NVRM: GPU at 0000:02:00.0 requires use of the NVIDIA open kernel modules.",
         "needs_open", "0000:02:00.0", ""},
        {"[1.0] NVRM: The NVIDIA GeForce GTX 680 GPU installed in this system is\n"
         "[1.0] NVRM: supported through the NVIDIA 470.xx NVIDIA Legacy drivers.",
         "needs_legacy", "", ""},
        {"[1.0] NVRM: GPU 0000:02:00.0: RmInitAdapter failed! (0x22:0x56:884)", "init_failed",
         "0000:02:00.0", ""},
        {"[1.0] nvidia: probe of 0000:01:00.0 failed with error -1", "probe_failed", "0000:01:00.0",
         ""},
        {"[1.0] nvidia 0000:01:00.0: probe with driver nvidia failed with error -1", "probe_failed",
         "0000:01:00.0", ""},
        {"[1.0] Lockdown: modprobe: unsigned module loading is restricted; see man "
         "kernel_lockdown.7",
         "unsigned", "", ""},
        {"[1.0] nvidia: Loading of unsigned module is rejected", "unsigned", "", ""},
        {"[1.0] pcieport 0000:00:01.0: AER: Uncorrected (Fatal) error received: 0000:01:00.0",
         "aer_fatal", "0000:00:01.0", "0000:01:00.0"},
        {"[1.0] nvidia 0000:01:00.0: PCIe Bus Error: severity=Uncorrected (Fatal), type=x",
         "aer_fatal", "0000:01:00.0", ""},
        {"[1.0] pci 0000:01:00.0: 63.012 Gb/s available PCIe bandwidth, limited by 8.0 GT/s PCIe x8 "
         "link at 0000:00:01.0 (capable of 252.048 Gb/s with 16.0 GT/s PCIe x16 link)",
         "link_limited", "0000:01:00.0", "0000:00:01.0"},
        {"[1.0] nvidia-nvswitch0: SXid (PCI:0000:c1:00.0): 22013, Fatal, Link 32 x", "sxid",
         "0000:c1:00.0", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        gpuc__klog *log = parse(cases[i].text);

        assert_int_equal(log->count, 1);
        assert_string_equal(log->events[0].message, cases[i].id);
        assert_string_equal(log->events[0].bus, cases[i].bus);
        assert_string_equal(log->events[0].other, cases[i].other);
        gpuc__klog_free(log);
    }
}

static void test_gpu_klog__an_address_goes_stale(void **state)
{
    gpuc__klog *log = parse("[1.0] NVRM: GPU at PCI:0000:9b:00: GPU-1\n[1.0] NVRM: a\n[1.0] NVRM: b\n"
                            "[1.0] NVRM: c\n[1.0] NVRM: d\n[1.0] NVRM: fallen off the bus\n");

    (void)state;
    assert_int_equal(log->count, 1);
    assert_string_equal(log->events[0].bus, "");
    gpuc__klog_free(log);
}

static void test_gpu_klog__counts_and_times(void **state)
{
    gpuc__klog *log = parse("[1.5] NVRM: Xid (PCI:0000:9b:00): 119, first\n"
                            "[2.5] NVRM: Xid (PCI:0000:9c:00): 119, other GPU\n"
                            "[3.5] NVRM: Xid (PCI:0000:9b:00): 119, again\r\n"
                            "[4.5] NVRM: Xid (PCI:0000:9b:00): 119, last");

    (void)state;
    assert_int_equal(log->count, 2);
    assert_int_equal(log->events[0].count, 3);
    assert_string_equal(log->events[0].first, "1.5");
    assert_string_equal(log->events[0].last, "4.5");
    assert_string_equal(log->events[0].line, "NVRM: Xid (PCI:0000:9b:00): 119, first");
    assert_int_equal(log->events[1].count, 1);
    gpuc__klog_free(log);
}

/* kern.log goes on over restarts. */
static void test_gpu_klog__an_earlier_boot_is_dropped(void **state)
{
    gpuc__klog *log =
        parse("Nov 22 18:29:55 h kernel: [9.5] NVRM: Xid (PCI:0000:9b:00): 79, old\n"
              "Nov 22 18:31:55 h kernel: [    0.000000] Linux version 6.1.0-30 (x@y) #1 SMP\n"
              "Nov 22 18:32:55 h kernel: [9.5] NVRM: Xid (PCI:0000:9b:00): 13, new\n");

    (void)state;
    assert_int_equal(log->count, 1);
    assert_int_equal(log->events[0].xid, 13);
    gpuc__klog_free(log);
}

static void test_gpu_klog__bounds(void **state)
{
    size_t size = GPUC__KLOG_INPUT_MAX + 1, at = 0;
    char *text = malloc(size);
    gpuc__klog *log = NULL;

    (void)state;
    assert_non_null(text);
    memset(text, 'x', size);
    assert_int_equal(gpuc__klog_parse(&log, table, text, size, NULL), GPUC_ELIMIT);
    assert_int_equal(gpuc__klog_parse(&log, table, text, size - 1, NULL), GPUC_OK);
    gpuc__klog_free(log);
    for (int i = 1; i <= 300; i++)
        at += (size_t)snprintf(text + at, size - at, "NVRM: Xid (PCI:0000:9b:00): %d, x\n", i);
    log = parse(text);
    assert_int_equal(log->count, GPUC__KLOG_EVENTS_MAX);
    assert_int_equal(log->more, 300 - GPUC__KLOG_EVENTS_MAX);
    gpuc__klog_free(log);
    free(text);
}

/* Each row is whole, and no number comes twice. */
static void test_gpu_klog__the_table(void **state)
{
    json_t *actions = json_object_get(table, "actions"), *row;
    size_t i;
    long last = 0;

    (void)state;
    json_array_foreach(json_object_get(table, "xids"), i, row) {
        const char *verdict = gpuc__table_text(row, "verdict");
        long xid = (long)json_integer_value(json_object_get(row, "xid"));

        assert_true(xid > last);
        last = xid;
        assert_true(*gpuc__table_text(row, "name"));
        assert_true(!strcmp(verdict, "fail") || !strcmp(verdict, "warn") || !strcmp(verdict, "info"));
        assert_non_null(json_object_get(actions, gpuc__table_text(row, "action")));
    }
    assert_true(i > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gpu_klog__xids_of_all_forms),
        cmocka_unit_test(test_gpu_klog__what_is_no_xid),
        cmocka_unit_test(test_gpu_klog__messages),
        cmocka_unit_test(test_gpu_klog__an_address_goes_stale),
        cmocka_unit_test(test_gpu_klog__counts_and_times),
        cmocka_unit_test(test_gpu_klog__an_earlier_boot_is_dropped),
        cmocka_unit_test(test_gpu_klog__bounds),
        cmocka_unit_test(test_gpu_klog__the_table),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
