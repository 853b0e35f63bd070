/* SPDX-License-Identifier: Apache-2.0 */
/* The relay protocol of IAP, in memory: the messages as they were recorded of Google's client, what
 * is sent again after a lost connection, and what breaks the protocol. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "provider/gce/iap_relay.h"
#include "util/alloc.h"

#define SID "\x00\x01\x00\x00\x00\x03sid"
#define HELLO "SSH-2.0-hello\r\n"

static gpuc__iap_relay relay;
static unsigned char out[GPUC__IAP_MESSAGE_MAX];

static int take(const void *message, size_t length, const unsigned char **data, size_t *size)
{
    gpuc_error *err = NULL;
    int code = gpuc__iap_relay_take(&relay, message, length, data, size, &err);

    assert_int_equal(code != GPUC_OK, err != NULL);
    gpuc_error_unref(err);
    return code;
}

static int take_bytes(const char *bytes, size_t length)
{
    const unsigned char *data = NULL;
    size_t size = 0;

    return take(bytes, length, &data, &size);
}

#define TAKE(text) take_bytes(text, sizeof(text) - 1)

static int setup(void **state)
{
    gpuc__iap_relay_init(&relay);
    return 0;
}

static int teardown(void **state)
{
    gpuc__iap_relay_clear(&relay);
    return 0;
}

static void test_gce_iap_relay__speaks_as_recorded(void **state)
{
    static char block[40000];
    const unsigned char *data = NULL;
    size_t size = 0;
    char *path = gpuc__iap_relay_path(&relay, "my-project", "z1-a", "demo-m1", 22);

    assert_string_equal(path, "/connect?project=my-project&port=22&newWebsocket=True&zone=z1-a"
                              "&instance=demo-m1&interface=nic0");
    gpuc__free(path);
    assert_true(gpuc__iap_relay_add(&relay, HELLO, 15));
    assert_int_equal(gpuc__iap_relay_next(&relay, out, true), 0); /* not before it is open */
    assert_int_equal(TAKE(SID), GPUC_OK);
    assert_string_equal(relay.sid, "sid");
    assert_int_equal(gpuc__iap_relay_next(&relay, out, false), 21);
    assert_memory_equal(out, "\x00\x04\x00\x00\x00\x0f" HELLO, 21);
    assert_int_equal(gpuc__iap_relay_next(&relay, out, false), 0);
    assert_int_equal(take("\x00\x04\x00\x00\x00\x0f" HELLO, 21, &data, &size), GPUC_OK);
    assert_int_equal(size, 15);
    assert_memory_equal(data, HELLO, 15);
    assert_int_equal(gpuc__iap_relay_next(&relay, out, false), 0); /* too little to tell of */
    assert_int_equal(gpuc__iap_relay_next(&relay, out, true), 10);
    assert_memory_equal(out, "\x00\x07\x00\x00\x00\x00\x00\x00\x00\x0f", 10);
    assert_int_equal(gpuc__iap_relay_next(&relay, out, true), 0);
    assert_int_equal(TAKE("\x00\x07\x00\x00\x00\x00\x00\x00\x00\x0f"), GPUC_OK);
    assert_true(gpuc__iap_relay_add(&relay, block, sizeof(block)));
    assert_int_equal(gpuc__iap_relay_next(&relay, out, false), 6 + 16384);
    assert_int_equal(gpuc__iap_relay_next(&relay, out, false), 6 + 16384);
    assert_int_equal(gpuc__iap_relay_next(&relay, out, false), 6 + 7232);
    assert_int_equal(gpuc__iap_relay_unsent(&relay), 0);
}

static void test_gce_iap_relay__tells_of_what_came_in_time(void **state)
{
    static char message[6 + 16384] = "\x00\x04\x00\x00\x40\x00";
    const unsigned char *data;
    size_t size;

    assert_int_equal(TAKE(SID), GPUC_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(take(message, sizeof(message), &data, &size), GPUC_OK);
        assert_int_equal(gpuc__iap_relay_next(&relay, out, false), 0);
    }
    assert_int_equal(take(message, sizeof(message), &data, &size), GPUC_OK);
    assert_int_equal(gpuc__iap_relay_next(&relay, out, false), 10);
    assert_memory_equal(out, "\x00\x07\x00\x00\x00\x00\x00\x00\xc0\x00", 10);
}

static void test_gce_iap_relay__goes_on_where_it_stopped(void **state)
{
    const unsigned char *data;
    size_t size;
    char *path;

    assert_int_equal(TAKE(SID), GPUC_OK);
    assert_true(gpuc__iap_relay_add(&relay, "abcdefghij", 10));
    assert_int_equal(gpuc__iap_relay_next(&relay, out, false), 16);
    assert_int_equal(take("\x00\x04\x00\x00\x00\x02yz", 8, &data, &size), GPUC_OK);
    gpuc__iap_relay_lost(&relay);
    assert_int_equal(gpuc__iap_relay_next(&relay, out, true), 0);
    path = gpuc__iap_relay_path(&relay, "p", "z1-a", "i", 22);
    assert_string_equal(path, "/reconnect?sid=sid&ack=2&newWebsocket=True&zone=z1-a");
    gpuc__free(path);
    assert_int_equal(TAKE("\x00\x02\x00\x00\x00\x00\x00\x00\x00\x04"), GPUC_OK);
    assert_int_equal(gpuc__iap_relay_next(&relay, out, true), 12); /* no count: it was told */
    assert_memory_equal(out, "\x00\x04\x00\x00\x00\x06" "efghij", 12);
    assert_int_equal(TAKE("\x00\x07\x00\x00\x00\x00\x00\x00\x00\x0a"), GPUC_OK);
    assert_int_equal(gpuc__iap_relay_room(&relay), GPUC__IAP_UP_MAX);
}

static void test_gce_iap_relay__a_broken_protocol_is_an_error(void **state)
{
    assert_int_equal(TAKE("\x00\x04\x00\x00\x00\x01x"), GPUC_EPROTO); /* before it is open */
    assert_int_equal(TAKE("\x00\x07\x00\x00\x00\x00\x00\x00\x00\x00"), GPUC_EPROTO);
    assert_int_equal(TAKE("\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00"), GPUC_EPROTO);
    assert_int_equal(TAKE("\x00\x01\x00\x00\x00\x00"), GPUC_EPROTO);
    assert_int_equal(TAKE("\x00\x01\x00\x00\x00\x09sid"), GPUC_EPROTO);
    assert_int_equal(TAKE("\x00"), GPUC_EPROTO);
    assert_int_equal(TAKE("\x12\x34whatever"), GPUC_OK); /* unknown: ignored */
    assert_int_equal(TAKE(SID "extra"), GPUC_OK);
    assert_int_equal(TAKE(SID), GPUC_EPROTO);
    assert_int_equal(TAKE("\x00\x04\x00\x00\x00\x05half"), GPUC_EPROTO);
    assert_int_equal(TAKE("\x00\x04\xff\xff\xff\xffhalf"), GPUC_EPROTO);
    assert_int_equal(TAKE("\x00\x07\x00\x00\x00\x00\x00\x00\x00\x01"), GPUC_EPROTO);
    assert_true(gpuc__iap_relay_add(&relay, "ab", 2));
    /* held, but not sent yet */
    assert_int_equal(TAKE("\x00\x07\x00\x00\x00\x00\x00\x00\x00\x02"), GPUC_EPROTO);
    assert_int_equal(gpuc__iap_relay_next(&relay, out, false), 8);
    assert_int_equal(TAKE("\x00\x07\x00\x00\x00\x00\x00\x00\x00\x02"), GPUC_OK);
    assert_int_equal(TAKE("\x00\x07\x00\x00\x00\x00\x00\x00\x00\x01"), GPUC_EPROTO); /* backwards */
    assert_int_equal(TAKE("\x00\x07\x00\x00\x00"), GPUC_EPROTO);
}

static void test_gce_iap_relay__what_waits_is_bounded(void **state)
{
    static char block[64 * 1024];
    size_t added = 0;

    while (gpuc__iap_relay_add(&relay, block, sizeof(block)))
        added += sizeof(block);
    assert_int_equal(added, GPUC__IAP_UP_MAX);
    assert_int_equal(gpuc__iap_relay_room(&relay), 0);
    assert_int_equal(TAKE(SID), GPUC_OK);
    for (int i = 0; i < 4; i++)
        assert_int_equal(gpuc__iap_relay_next(&relay, out, false), 6 + 16384);
    assert_int_equal(TAKE("\x00\x07\x00\x00\x00\x00\x00\x01\x00\x00"), GPUC_OK);
    assert_int_equal(gpuc__iap_relay_room(&relay), sizeof(block));
    assert_true(gpuc__iap_relay_add(&relay, block, sizeof(block)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_gce_iap_relay__speaks_as_recorded, setup, teardown),
        cmocka_unit_test_setup_teardown(test_gce_iap_relay__tells_of_what_came_in_time, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_gce_iap_relay__goes_on_where_it_stopped, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_gce_iap_relay__a_broken_protocol_is_an_error, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_gce_iap_relay__what_waits_is_bounded, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
