/* SPDX-License-Identifier: Apache-2.0 */
/* Helpers for tests of specs. */
#ifndef TESTS_SUPPORT_SPEC_H
#define TESTS_SUPPORT_SPEC_H
#include <gpucluster.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "spec/model.h"

/* A whole spec in five lines: what a test appends begins in line 6. */
#define SPEC_TOP "apiVersion: gpucluster/v1\nname: k8s\nprovider: {kind: local}\n"
#define SPEC_MACHINES "machines:\n  - {name: master, role: control-plane}\n"
#define SPEC SPEC_TOP SPEC_MACHINES
/* The same for hosts: ssh.user and ssh.identity are in line 4, machines in line 5. */
#define SPEC_SSH                                                                                   \
    "apiVersion: gpucluster/v1\nname: k8s\nprovider: {kind: ssh}\n"                                \
    "ssh: {user: debian, identity: /k}\nmachines:\n"

typedef struct bad_spec {
    const char *text;
    const char *message; /* all of it, or its beginning when it ends in "..." */
} bad_spec;

/* Reads and expands; what fails first is the answer. */
static inline int spec_try(const char *text, gpuc_error **err)
{
    gpuc_spec *spec = NULL;
    int rc = gpuc_spec_parse(&spec, text, strlen(text), "k8s.yaml", err);

    if (!rc)
        rc = gpuc_spec_validate(spec, err);
    gpuc_spec_unref(spec);
    return rc;
}

static inline void spec_assert_message(const gpuc_error *err, const char *message)
{
    size_t length = strlen(message);
    char shown[2048];

    assert_non_null(err);
    snprintf(shown, sizeof(shown), "%s", gpuc_error_message(err));
    if (length > 3 && strcmp(message + length - 3, "...") == 0 && strlen(shown) > length)
        memcpy(shown + length - 3, "...", 4);
    assert_string_equal(shown, message);
}

static inline void spec_assert_bad(const bad_spec *bad, int code)
{
    gpuc_error *err = NULL;
    int rc = spec_try(bad->text, &err);

    if (!rc)
        fail_msg("accepted:\n%s", bad->text);
    spec_assert_message(err, bad->message);
    assert_int_equal(rc, code);
    assert_int_equal(gpuc_error_code(err), code);
    assert_int_equal(gpuc_error_domain(err), GPUC_DOMAIN_SPEC);
    assert_non_null(gpuc_error_remedy(err));
    gpuc_error_unref(err);
}

static inline gpuc_spec *spec_parse(const char *text)
{
    gpuc_spec *spec = NULL;
    gpuc_error *err = NULL;

    if (gpuc_spec_parse(&spec, text, strlen(text), "k8s.yaml", &err))
        fail_msg("%s", gpuc_error_message(err));
    return spec;
}

static inline gpuc__spec_model *spec_model(const char *text)
{
    gpuc_spec *spec = spec_parse(text);
    gpuc__spec_model *model = NULL;
    gpuc_error *err = NULL;

    if (gpuc__spec_model_new(&model, spec, &err))
        fail_msg("%s", gpuc_error_message(err));
    gpuc_spec_unref(spec);
    return model;
}
#endif
