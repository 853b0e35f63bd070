/* SPDX-License-Identifier: Apache-2.0 */
/* Calls of a provider, each waited for: what its tests share. */
#ifndef TEST_PROVIDER_CLIENT_H
#define TEST_PROVIDER_CLIENT_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "core/context.h"
#include "provider/provider.h"
#include "util/alloc.h"
#include "util/buf.h"

typedef struct provider_result {
    int done, code, retryable;
    char *message, *remedy, *address, *status, *names;
    char *first_host_key;
    bool found, made_here;
    long native;
} provider_result;

static inline void provider_result_clear(provider_result *r)
{
    gpuc__free(r->message);
    gpuc__free(r->remedy);
    gpuc__free(r->address);
    gpuc__free(r->status);
    gpuc__free(r->names);
    gpuc__free(r->first_host_key);
    memset(r, 0, sizeof(*r));
}

static inline void provider_take_error(provider_result *r, gpuc_error *error)
{
    r->done++;
    if (!error)
        return;
    r->code = gpuc_error_code(error);
    r->retryable = gpuc_error_retryable(error);
    r->native = gpuc_error_native_code(error);
    r->message = gpuc__strdup(gpuc_error_message(error));
    r->remedy = gpuc__strdup(gpuc_error_remedy(error));
    gpuc_error_unref(error);
}

static inline void provider_on_machine(void *data, const gpuc__machine_info *info,
                                       gpuc_error *error)
{
    provider_result *r = data;

    if (info) {
        r->found = true;
        r->made_here = info->made_here;
        r->address = gpuc__strdup(info->address);
        r->status = gpuc__strdup(info->status);
        r->first_host_key = gpuc__strdup(info->host_keys ? info->host_keys[0] : NULL);
    }
    provider_take_error(r, error);
}

static inline void provider_on_done(void *data, gpuc_error *error)
{
    provider_take_error(data, error);
}

static inline void provider_on_names(void *data, const char *const *names, gpuc_error *error)
{
    provider_result *r = data;
    gpuc__buf text = GPUC__BUF_INIT(4096);

    for (; names && *names; names++)
        gpuc__buf_printf(&text, "%s ", *names);
    r->names = gpuc__buf_take(&text);
    provider_take_error(r, error);
}

static inline void provider_wait(gpuc_context *context, provider_result *r, int limit_ms)
{
    uint64_t end = gpuc__clock_ms() + (uint64_t)limit_ms;

    assert_int_equal(r->done, 0); /* never inside the call */
    while (!r->done && gpuc__clock_ms() < end)
        assert_int_equal(gpuc_context_run(context, 100, NULL), GPUC_OK);
    assert_int_equal(r->done, 1);
}
#endif
