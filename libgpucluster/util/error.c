/* SPDX-License-Identifier: Apache-2.0 */
/* Errors as objects. Without memory an error is the static one below, which nothing frees. */
#include "util/error.h"

#include <errno.h>
#include <jansson.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "util/alloc.h"
#include "util/buf.h"

#define EVIDENCE_MAX 4096

struct gpuc_error {
    atomic_int refs;
    int code, domain;
    long native_code;
    bool retryable;
    char *message, *machine, *step, *evidence, *remedy;
    gpuc_error *cause;
};

static gpuc_error out_of_memory = {
    .refs = 1, .code = GPUC_ENOMEM, .message = (char *)"out of memory"};

static const struct {
    int code;
    const char *name;
} names[] = {
    {GPUC_OK, "GPUC_OK"},
    {GPUC_EINVAL, "GPUC_EINVAL"},
    {GPUC_ENOMEM, "GPUC_ENOMEM"},
    {GPUC_ENOTFOUND, "GPUC_ENOTFOUND"},
    {GPUC_EEXIST, "GPUC_EEXIST"},
    {GPUC_EBUSY, "GPUC_EBUSY"},
    {GPUC_ETIMEDOUT, "GPUC_ETIMEDOUT"},
    {GPUC_ECANCELLED, "GPUC_ECANCELLED"},
    {GPUC_EAUTH, "GPUC_EAUTH"},
    {GPUC_EHOSTKEY, "GPUC_EHOSTKEY"},
    {GPUC_ENETWORK, "GPUC_ENETWORK"},
    {GPUC_EREMOTE, "GPUC_EREMOTE"},
    {GPUC_EHTTP, "GPUC_EHTTP"},
    {GPUC_EPROTO, "GPUC_EPROTO"},
    {GPUC_ELIMIT, "GPUC_ELIMIT"},
    {GPUC_ESTATE, "GPUC_ESTATE"},
    {GPUC_EUNSUPPORTED, "GPUC_EUNSUPPORTED"},
    {GPUC_EPERM, "GPUC_EPERM"},
    {GPUC_EIO, "GPUC_EIO"},
    {GPUC_EPROOF, "GPUC_EPROOF"},
    {GPUC_ESTEP, "GPUC_ESTEP"},
    {GPUC_EINTERNAL, "GPUC_EINTERNAL"},
};

const char *gpuc_error_name(int code)
{
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (names[i].code == code)
            return names[i].name;
    }
    return "GPUC_E?";
}

static gpuc_error *error_new(int code, int domain, char *message)
{
    gpuc_error *e = message ? gpuc__calloc(1, sizeof(*e)) : NULL;

    if (!e) {
        gpuc__free(message);
        return &out_of_memory;
    }
    atomic_init(&e->refs, 1);
    e->code = code;
    e->domain = domain;
    e->message = message;
    e->retryable = code == GPUC_ENETWORK || code == GPUC_ETIMEDOUT;
    return e;
}

static char *format_message(const char *format, va_list args)
{
    gpuc__buf text = GPUC__BUF_INIT(64 * 1024);

    gpuc__buf_vprintf(&text, format, args);
    return gpuc__buf_take(&text);
}

int gpuc__error_set(gpuc_error **err, int code, int domain, const char *format, ...)
{
    va_list args;

    if (!err || *err)
        return code;
    va_start(args, format);
    *err = error_new(code, domain, format_message(format, args));
    va_end(args);
    return code;
}

int gpuc__error_nomem(gpuc_error **err)
{
    if (err && !*err)
        *err = &out_of_memory;
    return GPUC_ENOMEM;
}

int gpuc__error_errno(gpuc_error **err, int errno_value, const char *format, ...)
{
    int code = GPUC_EIO;
    va_list args;

    if (errno_value == ENOMEM)
        return gpuc__error_nomem(err);
    if (errno_value == EACCES || errno_value == EPERM)
        code = GPUC_EPERM;
    else if (errno_value == ENOENT)
        code = GPUC_ENOTFOUND;
    if (err && !*err) {
        char *message, *whole;

        va_start(args, format);
        message = format_message(format, args);
        va_end(args);
        whole = message ? gpuc__asprintf("%s: %s", message, strerror(errno_value)) : NULL;
        gpuc__free(message);
        *err = error_new(code, GPUC_DOMAIN_SYSTEM, whole);
        gpuc__error_native(err, errno_value);
    }
    return code;
}

static gpuc_error *writable(gpuc_error **err)
{
    return err && *err && *err != &out_of_memory ? *err : NULL;
}

void gpuc__error_native(gpuc_error **err, long native_code)
{
    gpuc_error *e = writable(err);

    if (e)
        e->native_code = native_code;
}

static void replace(char **field, const char *text)
{
    char *copy = text ? gpuc__strdup(text) : NULL;

    if (copy) {
        gpuc__free(*field);
        *field = copy;
    }
}

void gpuc__error_at(gpuc_error **err, const char *machine, const char *step)
{
    gpuc_error *e = writable(err);

    if (e) {
        replace(&e->machine, machine);
        replace(&e->step, step);
    }
}

void gpuc__error_evidence(gpuc_error **err, const char *text, size_t length)
{
    gpuc_error *e = writable(err);

    if (!e || !text)
        return;
    if (length > EVIDENCE_MAX) {
        text += length - EVIDENCE_MAX;
        length = EVIDENCE_MAX;
    }
    gpuc__free(e->evidence);
    e->evidence = gpuc__strndup(text, length);
}

void gpuc__error_remedy(gpuc_error **err, const char *format, ...)
{
    gpuc_error *e = writable(err);
    va_list args;

    if (!e)
        return;
    gpuc__free(e->remedy);
    va_start(args, format);
    e->remedy = format_message(format, args);
    va_end(args);
}

void gpuc__error_retryable(gpuc_error **err, bool retryable)
{
    gpuc_error *e = writable(err);

    if (e)
        e->retryable = retryable;
}

void gpuc__error_map_text(gpuc_error *error, char *(*map)(void *data, const char *text), void *data)
{
    for (gpuc_error *e = error; e && e != &out_of_memory; e = e->cause) {
        char **fields[] = {&e->message, &e->machine, &e->step, &e->evidence, &e->remedy};

        for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
            char *text = *fields[i] ? map(data, *fields[i]) : NULL;

            gpuc__free(*fields[i]);
            *fields[i] = text;
        }
    }
}

int gpuc__error_wrap(gpuc_error **err, int code, int domain, const char *format, ...)
{
    gpuc_error *outer;
    va_list args;

    if (!err)
        return code;
    va_start(args, format);
    outer = error_new(code, domain, format_message(format, args));
    va_end(args);
    if (outer == &out_of_memory) {
        gpuc_error_unref(*err);
    } else {
        outer->cause = *err;
        if (*err) {
            replace(&outer->machine, (*err)->machine);
            replace(&outer->step, (*err)->step);
            replace(&outer->evidence, (*err)->evidence);
            replace(&outer->remedy, (*err)->remedy);
            outer->native_code = (*err)->native_code;
            outer->retryable = (*err)->retryable;
        }
    }
    *err = outer;
    return code;
}

int gpuc_error_code(const gpuc_error *error)
{
    return error->code;
}

int gpuc_error_domain(const gpuc_error *error)
{
    return error->domain;
}

long gpuc_error_native_code(const gpuc_error *error)
{
    return error->native_code;
}

const char *gpuc_error_message(const gpuc_error *error)
{
    return error->message ? error->message : "[text dropped: out of memory]";
}

const char *gpuc_error_machine(const gpuc_error *error)
{
    return error->machine;
}

const char *gpuc_error_step(const gpuc_error *error)
{
    return error->step;
}

const char *gpuc_error_evidence(const gpuc_error *error)
{
    return error->evidence;
}

const char *gpuc_error_remedy(const gpuc_error *error)
{
    return error->remedy;
}

int gpuc_error_retryable(const gpuc_error *error)
{
    return error->retryable;
}

const gpuc_error *gpuc_error_cause(const gpuc_error *error)
{
    return error->cause;
}

/* Control bytes and broken UTF-8 become '?': evidence is whatever a machine printed. */
static json_t *text_or_null(const char *text)
{
    json_t *value = text ? json_string(text) : json_null();

    if (!value) {
        char *clean = gpuc__strdup(text);

        for (char *p = clean; p && *p; p++) {
            if ((unsigned char)*p >= 0x80)
                *p = '?';
        }
        value = clean ? json_string(clean) : NULL;
        gpuc__free(clean);
    }
    return value;
}

static json_t *to_json(const gpuc_error *e)
{
    return json_pack("{s:i, s:s, s:i, s:I, s:o, s:o, s:o, s:o, s:o, s:b, s:o}", "code", e->code,
                     "name", gpuc_error_name(e->code), "domain", e->domain, "native_code",
                     (json_int_t)e->native_code, "message", text_or_null(gpuc_error_message(e)), "machine",
                     text_or_null(e->machine), "step", text_or_null(e->step), "evidence",
                     text_or_null(e->evidence), "remedy", text_or_null(e->remedy), "retryable",
                     e->retryable, "cause", e->cause ? to_json(e->cause) : json_null());
}

char *gpuc_error_to_json(const gpuc_error *error)
{
    json_t *root = to_json(error);
    char *dump = root ? json_dumps(root, JSON_COMPACT) : NULL;
    char *text = gpuc__strdup(dump);

    free(dump); /* jansson's own memory */
    json_decref(root);
    return text;
}

gpuc_error *gpuc_error_ref(gpuc_error *error)
{
    if (error != &out_of_memory)
        atomic_fetch_add(&error->refs, 1);
    return error;
}

gpuc_error *gpuc_error_unref(gpuc_error *error)
{
    if (error && error != &out_of_memory && atomic_fetch_sub(&error->refs, 1) == 1) {
        gpuc_error_unref(error->cause);
        gpuc__free(error->message);
        gpuc__free(error->machine);
        gpuc__free(error->step);
        gpuc__free(error->evidence);
        gpuc__free(error->remedy);
        gpuc__free(error);
    }
    return NULL;
}
