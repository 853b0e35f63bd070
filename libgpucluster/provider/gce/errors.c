/* SPDX-License-Identifier: Apache-2.0 */
/* What a failure means: both shapes of an error brought to one form, and the table over it. Pure.
 */
#include <stdlib.h>
#include <string.h>

#include "provider/gce/call.h"
#include "util/buf.h"
#include "util/data.h"
#include "util/error.h"

#define SAID_MAX 4000
#define FACTS_MAX (256u * 1024)
#define ENTRIES_MAX 16 /* of errors[], details[], links: more say nothing new */

/* A failure in one form. Lists are buffers with a line feed before and after each entry. */
typedef struct facts {
    int status;
    bool operation;
    gpuc__buf reasons, texts, dimensions;
    gpuc__buf said; /* for a person */
} facts;

typedef struct word {
    const char *name;
    int value;
} word;

static const word codes[] = {{"ELIMIT", GPUC_ELIMIT},       {"ESTATE", GPUC_ESTATE},
                             {"EEXIST", GPUC_EEXIST},       {"EPERM", GPUC_EPERM},
                             {"EAUTH", GPUC_EAUTH},         {"EINVAL", GPUC_EINVAL},
                             {"ENOTFOUND", GPUC_ENOTFOUND}, {NULL, GPUC_EHTTP}};
static const word scopes[] = {
    {"retry", GPUC__GCE_SCOPE_RETRY},   {"conflict", GPUC__GCE_SCOPE_CONFLICT},
    {"exists", GPUC__GCE_SCOPE_EXISTS}, {"zone", GPUC__GCE_SCOPE_ZONE},
    {"region", GPUC__GCE_SCOPE_REGION}, {NULL, GPUC__GCE_SCOPE_FINAL}};
static const word paces[] = {{"slow", GPUC__GCE_PACE_SLOW},
                             {"minute", GPUC__GCE_PACE_MINUTE},
                             {NULL, GPUC__GCE_PACE_BACKOFF}};

/* The last word of a list stands for what is not in it. */
static int value_of(const word *words, const json_t *row, const char *key)
{
    const char *name = json_string_value(json_object_get(row, key));

    while (words->name && (!name || strcmp(words->name, name) != 0))
        words++;
    return words->value;
}

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static void add(gpuc__buf *list, const char *entry)
{
    if (entry && *entry)
        gpuc__buf_printf(list, "\n%.4000s\n", entry);
}

static void say(facts *f, const char *reason, const char *message)
{
    if (!reason && !message)
        return;
    gpuc__buf_printf(&f->said, "%s%.100s%s%.1000s", f->said.length ? "; " : "",
                     reason ? reason : "", reason && message ? ": " : "", message ? message : "");
}

/* An entry of details[] or errorDetails[]; in an operation each kind has a member of its own. */
static void read_detail(facts *f, const json_t *detail)
{
    const json_t *quota = json_object_get(detail, "quotaInfo"), *info, *dimensions;
    const char *key;
    json_t *value;

    info = json_object_get(detail, "errorInfo");
    add(&f->reasons, text_of(info ? info : detail, "reason"));
    info = json_object_get(detail, "localizedMessage");
    add(&f->texts, text_of(info ? info : detail, "message"));
    dimensions = json_object_get(quota ? quota : detail, "dimensions");
    json_object_foreach((json_t *)dimensions, key, value)
    {
        add(&f->dimensions, key);
    }
}

static void read_details(facts *f, const json_t *details)
{
    size_t i;
    const json_t *detail;

    json_array_foreach(details, i, detail)
    {
        if (i < ENTRIES_MAX)
            read_detail(f, detail);
    }
}

static void read_entry(facts *f, const json_t *entry, const char *main_message)
{
    const char *reason = text_of(entry, f->operation ? "code" : "reason");
    const char *message = text_of(entry, "message");

    add(&f->reasons, reason);
    add(&f->texts, message);
    if (message && main_message && strcmp(message, main_message) == 0)
        message = NULL;
    say(f, reason, message);
    read_details(f, json_object_get(entry, "errorDetails"));
}

static void read_error(facts *f, const json_t *error)
{
    const char *message = text_of(error, "message");
    const json_t *entry;
    size_t i;

    if (json_is_string(error)) /* OAuth's shape */
        say(f, json_string_value(error), NULL);
    add(&f->texts, message);
    if (message)
        say(f, NULL, message);
    json_array_foreach(json_object_get(error, "errors"), i, entry)
    {
        if (i < ENTRIES_MAX)
            read_entry(f, entry, message);
    }
    add(&f->reasons, text_of(error, "status"));
    read_details(f, json_object_get(error, "details"));
}

/* False: it says of no failure. */
static bool read_facts(facts *f, int status, const json_t *answer)
{
    const json_t *error = json_object_get(answer, "error");
    const json_t *http = json_object_get(answer, "httpErrorStatusCode");

    gpuc__buf_init(&f->reasons, FACTS_MAX);
    gpuc__buf_init(&f->texts, FACTS_MAX);
    gpuc__buf_init(&f->dimensions, FACTS_MAX);
    gpuc__buf_init(&f->said, FACTS_MAX);
    f->status = status;
    f->operation = status < 400 && text_of(answer, "status");
    if (f->operation)
        f->status = json_is_integer(http) ? (int)json_integer_value(http) : 0;
    if (status < 400 && !error && f->status < 400)
        return false;
    if (error)
        read_error(f, error);
    if (!f->said.length)
        say(f, NULL, text_of(answer, "httpErrorMessage"));
    return true;
}

static void clear_facts(facts *f)
{
    gpuc__buf_clear(&f->reasons);
    gpuc__buf_clear(&f->texts);
    gpuc__buf_clear(&f->dimensions);
    gpuc__buf_clear(&f->said);
}

static bool listed(const gpuc__buf *list, const char *entry)
{
    size_t length = entry ? strlen(entry) : 0;
    const char *at = gpuc__buf_text(list);

    while (length && (at = strstr(at, entry))) {
        if (at[-1] == '\n' && at[length] == '\n') /* entries begin with one: at[-1] is there */
            return true;
        at++;
    }
    return false;
}

static bool any_reason(const facts *f, const json_t *reasons)
{
    const json_t *reason;
    size_t i;

    json_array_foreach(reasons, i, reason)
    {
        if (listed(&f->reasons, json_string_value(reason)))
            return true;
    }
    return !reasons;
}

static bool all_texts(const facts *f, const json_t *texts)
{
    const json_t *text;
    size_t i;

    json_array_foreach(texts, i, text)
    {
        if (!strstr(gpuc__buf_text(&f->texts), json_string_value(text)))
            return false;
    }
    return true;
}

static bool any_status(const facts *f, const json_t *statuses)
{
    const json_t *status;
    size_t i;

    json_array_foreach(statuses, i, status)
    {
        if (json_integer_value(status) == f->status)
            return true;
    }
    return !statuses;
}

static bool fits(const facts *f, const json_t *rule)
{
    const char *dimension = text_of(rule, "dimension");

    return any_status(f, json_object_get(rule, "statuses")) &&
           (!dimension || listed(&f->dimensions, dimension)) &&
           any_reason(f, json_object_get(rule, "reasons")) &&
           all_texts(f, json_object_get(rule, "texts"));
}

static const char *class_name(const facts *f, const json_t *table)
{
    const json_t *rule;
    size_t i;

    json_array_foreach(json_object_get(table, "rules"), i, rule)
    {
        if (fits(f, rule))
            return text_of(rule, "class");
    }
    return f->status >= 500 ? "unavailable" : "other";
}

static json_t *load_table(void)
{
    const gpuc__data *data = gpuc__data_get("provider/gce/errors.json");

    return data ? json_loadb(data->text, data->length, 0, NULL) : NULL;
}

static void set_error(const facts *f, const json_t *row, const json_t *answer, const char *doing,
                      gpuc_error **err)
{
    const char *remedy = text_of(row, "remedy");
    char *whole = json_dumps(json_object_get(answer, "error"), JSON_COMPACT | JSON_ENCODE_ANY);
    int code = value_of(codes, row, "code");

    if (f->operation)
        gpuc__error_set(err, code, GPUC_DOMAIN_PROVIDER, "%s: the operation failed: %.*s", doing,
                        SAID_MAX,
                        f->said.length ? gpuc__buf_text(&f->said) : "it does not say why");
    else
        gpuc__error_set(err, code, GPUC_DOMAIN_PROVIDER, "%s: Compute Engine answered %d: %.*s",
                        doing, f->status, SAID_MAX,
                        f->said.length ? gpuc__buf_text(&f->said) : "no reason given");
    gpuc__error_native(err, f->status);
    gpuc__error_retryable(err, json_is_true(json_object_get(row, "retryable")));
    if (remedy)
        gpuc__error_remedy(err, "%s", remedy);
    if (whole)
        gpuc__error_evidence(err, whole, strlen(whole));
    free(whole); /* jansson's own memory */
}

gpuc__gce_scope gpuc__gce_classify(int status, const json_t *answer, const char *doing,
                                   gpuc_error **err)
{
    gpuc__gce_scope scope = GPUC__GCE_SCOPE_NONE;
    json_t *table = NULL;
    const json_t *row;
    facts f;

    if (read_facts(&f, status, answer)) {
        table = load_table();
        row =
            json_object_get(json_object_get(table, "classes"), table ? class_name(&f, table) : "");
        scope = (gpuc__gce_scope)value_of(scopes, row, "scope");
        if (row)
            set_error(&f, row, answer, doing, err);
        else
            gpuc__error_nomem(err);
    }
    json_decref(table);
    clear_facts(&f);
    return scope;
}

gpuc__gce_pace gpuc__gce_pace_of(int status, const json_t *answer)
{
    gpuc__gce_pace pace = GPUC__GCE_PACE_BACKOFF;
    json_t *table = NULL;
    facts f;

    if (read_facts(&f, status, answer)) {
        table = load_table();
        if (table)
            pace = (gpuc__gce_pace)value_of(
                paces, json_object_get(json_object_get(table, "classes"), class_name(&f, table)),
                "pace");
    }
    json_decref(table);
    clear_facts(&f);
    return pace;
}

bool gpuc__gce_is_rate_limit(int status, const json_t *answer)
{
    return gpuc__gce_pace_of(status, answer) == GPUC__GCE_PACE_MINUTE;
}

uint64_t gpuc__gce_patience_ms(const gpuc_error *error, bool answered)
{
    json_t *table = gpuc_error_code(error) == GPUC_ENETWORK ? load_table() : NULL, *row;
    json_int_t seconds = 0;
    size_t i;

    json_array_foreach(json_object_get(table, "no_answer"), i, row) {
        if (json_integer_value(json_object_get(row, "native")) == gpuc_error_native_code(error))
            seconds = json_integer_value(json_object_get(row, answered ? "later_s" : "first_s"));
    }
    json_decref(table);
    return (uint64_t)seconds * 1000;
}
