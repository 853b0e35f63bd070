/* SPDX-License-Identifier: Apache-2.0 */
#include "recipe/classes.h"

#include <jansson.h>
#include <string.h>

#include "util/alloc.h"
#include "util/buf.h"
#include "util/data.h"
#include "util/error.h"

enum { MAX_EVIDENCE = 64 * 1024 };

static const char mark[] = "gpuc-error: ";

static const struct {
    const char *name;
    int code;
} codes[] = {{"ENETWORK", GPUC_ENETWORK},   {"ELIMIT", GPUC_ELIMIT},
             {"EREMOTE", GPUC_EREMOTE},     {"ENOTFOUND", GPUC_ENOTFOUND},
             {"EPROTO", GPUC_EPROTO},       {"EEXIST", GPUC_EEXIST},
             {"EUNSUPPORTED", GPUC_EUNSUPPORTED}, {"EAUTH", GPUC_EAUTH},
             {"EPROOF", GPUC_EPROOF},       {"ESTATE", GPUC_ESTATE},
             {"ETIMEDOUT", GPUC_ETIMEDOUT}};

static int code_of(const json_t *row)
{
    const char *name = json_string_value(json_object_get(row, "code"));
    for (size_t i = 0; name && i < sizeof(codes) / sizeof(*codes); i++) {
        if (strcmp(name, codes[i].name) == 0)
            return codes[i].code;
    }
    return GPUC_EREMOTE;
}

/* Control bytes out; so that the text can be searched and shown. */
static char *clean(const char *output, size_t length)
{
    size_t from = length > MAX_EVIDENCE ? length - MAX_EVIDENCE : 0;
    char *text = gpuc__malloc(length - from + 1);
    size_t n = 0;
    for (size_t i = from; text && i < length; i++) {
        unsigned char c = (unsigned char)output[i];
        if (c >= ' ' || c == '\n' || c == '\t')
            text[n++] = (char)c;
    }
    if (text)
        text[n] = 0;
    return text;
}

/* The last "gpuc-error: CLASS: text"; class and text are cut out of a copy. */
static char *find_named(const char *text, const char **klass, const char **why)
{
    const char *last = NULL;
    for (const char *at = text; (at = strstr(at, mark)); at++) {
        if (at == text || at[-1] == '\n')
            last = at;
    }
    if (!last)
        return NULL;
    last += sizeof(mark) - 1;
    char *line = gpuc__strndup(last, strcspn(last, "\n"));
    char *colon = line ? strstr(line, ": ") : NULL;
    if (!colon) {
        gpuc__free(line);
        return NULL;
    }
    *colon = 0;
    *klass = line;
    *why = colon + 2;
    return line;
}

static const char *find_pattern(const json_t *table, const char *text)
{
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(table, "patterns"), i, row)
    {
        const char *pattern = json_string_value(json_array_get(row, 0));
        if (pattern && strstr(text, pattern))
            return json_string_value(json_array_get(row, 1));
    }
    return NULL;
}

/* The last line with anything on it. */
static char *last_line(const char *text)
{
    size_t end = strlen(text);
    while (end > 0 && (text[end - 1] == '\n' || text[end - 1] == ' '))
        end--;
    size_t start = end;
    while (start > 0 && text[start - 1] != '\n')
        start--;
    return gpuc__strndup(text + start, end - start > 300 ? 300 : end - start);
}

static void set_message(gpuc_error **err, int code, const char *machine,
                        const gpuc__recipe_step *step, int status, const char *why,
                        const char *text)
{
    if (why) {
        gpuc__error_set(err, code, GPUC_DOMAIN_MACHINE, "%s: %s: %.600s", machine, step->id, why);
        return;
    }
    char *line = last_line(text);
    if (code == GPUC_ETIMEDOUT)
        gpuc__error_set(err, code, GPUC_DOMAIN_MACHINE,
                        "%s: %s did not end within its %u seconds; its last line: %s", machine,
                        step->id, step->timeout_s, line ? line : "");
    else
        gpuc__error_set(err, code, GPUC_DOMAIN_MACHINE, "%s: %s ended with status %d: %s", machine,
                        step->id, status, line && *line ? line : "it printed nothing");
    gpuc__free(line);
}

int gpuc__classes_error(gpuc_error **err, const char *machine, const gpuc__recipe_step *step,
                        int status, const char *klass, const char *output, size_t length)
{
    gpuc_error *made = NULL;
    const char *why = NULL, *named = NULL;
    const gpuc__data *data = gpuc__data_get("recipe/classes.json");
    json_t *table = data ? json_loadb(data->text, data->length, 0, NULL) : NULL;
    char *text = clean(output, length);
    char *line = text ? find_named(text, &named, &why) : NULL;
    if (!table || !text) {
        gpuc__error_nomem(err);
        goto done;
    }
    if (named)
        klass = named;
    else if (!klass)
        klass = find_pattern(table, text);
    const json_t *row = json_object_get(json_object_get(table, "classes"), klass ? klass : "other");
    set_message(&made, code_of(row), machine, step, status, why, text);
    const char *remedy = json_string_value(json_object_get(row, "remedy"));
    if (!remedy || strcmp(klass ? klass : "other", "other") == 0)
        remedy = step->remedy;
    gpuc__error_remedy(&made, "%s", remedy ? remedy : "Look at the step's output, then run up again.");
    gpuc__error_retryable(&made, json_is_true(json_object_get(row, "retryable")));
    gpuc__error_native(&made, status);
    gpuc__error_at(&made, machine, step->id);
    gpuc__error_evidence(&made, text, strlen(text));
done:
    gpuc__free(line);
    gpuc__free(text);
    json_decref(table);
    if (made && err && !*err)
        *err = made;
    else
        gpuc_error_unref(made);
    return GPUC_EREMOTE;
}
