/* SPDX-License-Identifier: Apache-2.0 */
/* Verifications of hosts behind the test's real sshd. Include after ssh_client.h. */
#ifndef TEST_GPU_VERIFICATION_H
#define TEST_GPU_VERIFICATION_H
#include "support/gpu_answers.h"

/* Of the server's user and key; the hosts are text as in a file. */
__attribute__((unused, format(printf, 1, 2))) static gpuc_verification *
verification(const char *format, ...)
{
    char text[2048], port[16];
    gpuc_verification *v = NULL;
    gpuc_error *error = NULL;
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    snprintf(port, sizeof(port), "%d", server.port);
    assert_int_equal(gpuc_verification_new(&v, context, NULL), GPUC_OK);
    if (gpuc_verification_add_hosts(v, text, "test", &error) < 0)
        fail_msg("%s", gpuc_error_message(error));
    assert_int_equal(gpuc_verification_set(v, "port", port, NULL), GPUC_OK);
    assert_int_equal(gpuc_verification_set(v, "user", server.user, NULL), GPUC_OK);
    assert_int_equal(gpuc_verification_set(v, "identity", sshd_path(&server, "id"), NULL), GPUC_OK);
    assert_int_equal(gpuc_verification_set(v, "known_hosts", sshd_path(&server, "known_hosts"), NULL),
                     GPUC_OK);
    return v;
}

/* Runs it; the report's JSON, and the operation's code and message. */
__attribute__((unused)) static json_t *run(gpuc_verification *v, int *code, char *message, size_t size)
{
    gpuc_report *report = NULL;
    gpuc_error *error = NULL;
    json_t *root;
    char *text;

    *code = gpuc_verification_run(&report, v, &error);
    snprintf(message, size, "%s", error ? gpuc_error_message(error) : "");
    gpuc_error_unref(error);
    gpuc_verification_unref(v);
    assert_non_null(report);
    text = gpuc_report_to_json(report);
    root = json_loads(text, 0, NULL);
    assert_non_null(root);
    gpuc_free(text);
    gpuc_report_unref(report);
    return root;
}
#endif
