/* SPDX-License-Identifier: Apache-2.0 */
/* Finding the forms in a capture. */
#include "gpu/capture.h"

#include <stdio.h>
#include <string.h>

#include "gpu/smi_fields.h"
#include "gpu/smi_text.h"
#include "gpu/tables.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/put.h"

#define SECTIONS_MAX 1024
#define QUERY_MAX (64u << 10)
#define REPORT_MAX (256u << 20)
#define FAILURES_MAX 16
#define KNOWN_MAX 64
#define ROOT_END "</nvidia_smi_log>"

/* Those that speak of GPUs come first, the one to believe most at the head. */
typedef enum form {
    FORM_XML,
    FORM_QUERY,
    FORM_CSV,
    FORM_NVLINK,
    FORM_LIST,
    FORM_TABLE,
    FORM_VERSION,
    FORM_TOPOLOGY,
    FORM_FIELDS,
    FORM_FAILURE,
    FORMS
} form;

static const char *const form_names[FORMS] = {"xml",   "query",   "csv",      "nvlink", "list",
                                              "table", "version", "topology", "fields", "failure"};

typedef struct capture {
    gpuc__smi_text text;
    gpuc__smi *said[FORMS]; /* by each form */
    bool seen[FORMS];
    json_t *topology, *fields, *failures;
    json_t *reasons;      /* smi-exit-codes.json, once it is wanted */
    struct {
        const char *text; /* borrowed from the row */
        json_t *row;
    } known[KNOWN_MAX];   /* its failures */
    size_t known_count;
    char dtd[16];
    size_t sections;
    size_t others, first_other; /* lines of no form */
    gpuc_error *damage;   /* the first document that could not be read at all */
} capture;

/* A record of one section becomes part of what its form says. Consumes it. */
static bool add_section(capture *c, form f, gpuc__smi *smi)
{
    const gpuc__smi_value *attached = &smi->field[GPUC__SMI_ATTACHED_GPUS];
    bool ok = true;

    /* All GPUs are there: then they stand in nvidia-smi's order. */
    if ((f == FORM_XML || f == FORM_QUERY) && attached->has_number &&
        attached->number == (double)smi->gpu_count) {
        for (size_t i = 0; i < smi->gpu_count; i++)
            smi->gpus[i].index = (long)i;
    }
    c->seen[f] = true;
    if (!c->said[f])
        c->said[f] = smi;
    else {
        ok = gpuc__smi_merge(c->said[f], smi);
        gpuc__smi_free(smi);
    }
    c->text.no_memory |= !ok;
    return ok;
}

static bool is_xml(const char *line)
{
    return strstr(line, "<?xml") || strstr(line, "<!DOCTYPE nvidia_smi_log") ||
           strstr(line, "<nvidia_smi_log");
}

static void note_dtd(capture *c, const char *bytes)
{
    static const char mark[] = "nvsmi_device";
    const char *at = strstr(bytes, mark);

    if (!at || c->dtd[0])
        return;
    at += strlen(mark);
    if (at[0] == '_')
        snprintf(c->dtd, sizeof(c->dtd), "%.*s", (int)strcspn(at + 1, ".\" >"), at + 1);
}

/* The lines of a document are joined again while its reader looks at them. */
static int read_xml(capture *c, gpuc_error **err)
{
    gpuc__smi_text *t = &c->text;
    size_t last = t->at;
    gpuc_error *damage = NULL, *why = NULL;
    gpuc__smi *smi = NULL;
    char *start = t->line[t->at];
    int rc;

    while (last + 1 < t->count && !strstr(t->line[last], ROOT_END))
        last++;
    for (size_t i = t->at; i < last; i++)
        t->line[i][strlen(t->line[i])] = '\n';
    note_dtd(c, start);
    rc = gpuc__smi_parse_damaged(&smi, &damage, start, strlen(start), &why);
    for (size_t i = t->at + 1; i <= last; i++)
        t->line[i][-1] = '\0';
    if (rc == GPUC_OK && damage)
        gpuc__smi_warn(t, "the document at line %zu: %s; what comes before is read", t->at + 1,
                       gpuc_error_message(damage));
    if (rc == GPUC_OK) {
        add_section(c, FORM_XML, smi);
    } else if (rc == GPUC_ENOMEM) {
        gpuc_error_unref(why);
        return gpuc__error_nomem(err);
    } else {
        gpuc__smi_warn(t, "the document at line %zu: %s", t->at + 1, gpuc_error_message(why));
        if (!c->damage)
            c->damage = gpuc_error_ref(why);
    }
    gpuc_error_unref(damage);
    gpuc_error_unref(why);
    t->at = last + 1;
    return GPUC_OK;
}

/* A GPU that nvidia-smi cannot reach is named in a line of its own. */
static void note_lost(capture *c, const char *line)
{
    static const char mark[] = "Unable to determine the device handle for";
    const char *at = strstr(line, mark);
    char word[64], bus[GPUC__BUS_ID_SIZE] = "";
    gpuc__smi *smi;
    gpuc__smi_gpu *gpu;

    for (at = at ? at + strlen(mark) : NULL; at && *at && !bus[0];) {
        size_t length = strcspn(at += strspn(at, " "), " ");
        size_t kept = length && at[length - 1] == ':' ? length - 1 : length;

        gpuc__smi_trim(word, sizeof(word), at, kept);
        gpuc__bus_id_normalise(bus, word);
        at += length;
    }
    if (!bus[0] || c->sections == SECTIONS_MAX)
        return;
    c->sections++;
    smi = gpuc__calloc(1, sizeof(*smi));
    gpu = smi ? gpuc__smi_add_gpu(smi) : NULL;
    if (!gpu) {
        gpuc__smi_free(smi);
        c->text.no_memory = true;
        return;
    }
    memcpy(gpu->bus, bus, sizeof(bus));
    gpuc__smi_note_sickness(gpu, "nvidia-smi",
                            strstr(line, "lost") ? "GPU is lost" : "Unknown Error");
    add_section(c, FORM_FAILURE, smi);
}

static int load_reasons(capture *c, gpuc_error **err)
{
    size_t i;
    json_t *row;
    int rc = gpuc__table_load(&c->reasons, "gpu/smi-exit-codes.json", err);

    if (rc < 0)
        return rc;
    json_array_foreach(json_object_get(c->reasons, "texts"), i, row) {
        if (c->known_count == KNOWN_MAX)
            return gpuc__error_set(err, GPUC_EINTERNAL, GPUC_DOMAIN_GPU,
                                   "gpu/smi-exit-codes.json of this build has more than %d texts",
                                   KNOWN_MAX);
        c->known[c->known_count].text = gpuc__table_text(row, "text");
        c->known[c->known_count++].row = row;
    }
    return GPUC_OK;
}

/* false: the line is none of the failures that are known. */
static int read_failure(capture *c, const char *line, bool *known, gpuc_error **err)
{
    int rc = c->reasons ? GPUC_OK : load_reasons(c, err);

    *known = false;
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < c->known_count; i++) {
        const json_t *row = c->known[i].row;

        if (!strstr(line, c->known[i].text))
            continue;
        *known = c->seen[FORM_FAILURE] = true;
        note_lost(c, line);
        if (json_array_size(c->failures) < FAILURES_MAX &&
            json_array_append_new(
                c->failures,
                json_pack("{s:s, s:O?, s:s, s:s}", "text", line, "exit_code",
                          json_object_get(row, "code"), "reason", gpuc__table_text(row, "reason"),
                          "remedy", gpuc__table_text(row, "remedy"))))
            return gpuc__error_nomem(err);
        break;
    }
    return GPUC_OK;
}

/* The table has its time in the line before it. */
static bool is_time_of_table(const gpuc__smi_text *text)
{
    gpuc__smi_text next = *text;

    next.at++;
    return next.at < next.count && gpuc__smi_is_table(&next);
}

static int read_record(capture *c, form f, gpuc_error **err)
{
    gpuc__smi *smi = gpuc__calloc(1, sizeof(*smi));
    bool links = false;

    if (!smi)
        return gpuc__error_nomem(err);
    if (f == FORM_QUERY) {
        gpuc__smi_read_query(smi, &c->text);
    } else if (f == FORM_CSV) {
        gpuc__smi_read_csv(smi, &c->text);
    } else if (f == FORM_TABLE) {
        if (!gpuc__smi_is_table(&c->text))
            gpuc__smi_value_read(&smi->field[GPUC__SMI_TIMESTAMP], GPUC__SMI_KIND_TEXT,
                                 c->text.line[c->text.at++]);
        gpuc__smi_read_table(smi, &c->text);
    } else if (f == FORM_VERSION) {
        gpuc__smi_read_version(smi, &c->text);
    } else {
        gpuc__smi_read_list(smi, &c->text, &links);
        f = links ? FORM_NVLINK : FORM_LIST;
    }
    add_section(c, f, smi);
    return c->text.no_memory ? gpuc__error_nomem(err) : GPUC_OK;
}

/* Those of which the first in a capture is kept. */
static void read_once(json_t **kept, json_t *value)
{
    if (*kept && json_array_size(*kept) + json_object_size(*kept))
        json_decref(value);
    else {
        json_decref(*kept);
        *kept = value;
    }
}

/* The record's form that begins at the current line; FORMS: none. */
static form find_record(const gpuc__smi_text *text)
{
    static const struct {
        bool (*is)(const gpuc__smi_text *text);
        form f;
    } readers[] = {{gpuc__smi_is_query, FORM_QUERY},     {gpuc__smi_is_table, FORM_TABLE},
                   {is_time_of_table, FORM_TABLE},       {gpuc__smi_is_list, FORM_LIST},
                   {gpuc__smi_is_version, FORM_VERSION}, {gpuc__smi_is_csv, FORM_CSV}};

    for (size_t i = 0; i < sizeof(readers) / sizeof(readers[0]); i++) {
        if (readers[i].is(text))
            return readers[i].f;
    }
    return FORMS;
}

/* A line that begins no form. */
static int read_other(capture *c, const char *line, gpuc_error **err)
{
    bool known;
    int rc = read_failure(c, line, &known, err);

    c->sections--; /* it is none */
    line += strspn(line, " \t");
    if (!known && *line && *line != '#' && c->others++ == 0) /* '#': the comments of a capture */
        c->first_other = c->text.at + 1;
    c->text.at++;
    return rc;
}

static int read_section(capture *c, gpuc_error **err)
{
    gpuc__smi_text *t = &c->text;
    const char *line = gpuc__smi_line(t);
    form f = find_record(t);

    if (is_xml(line))
        return read_xml(c, err);
    if (f != FORMS)
        return read_record(c, f, err);
    if (gpuc__smi_is_topology(t)) {
        c->seen[FORM_TOPOLOGY] = true;
        read_once(&c->topology, gpuc__smi_read_topology(t));
    } else if (gpuc__smi_is_help(t)) {
        c->seen[FORM_FIELDS] = true;
        read_once(&c->fields, gpuc__smi_read_help(t));
    } else {
        return read_other(c, line, err);
    }
    return t->no_memory ? gpuc__error_nomem(err) : GPUC_OK;
}

static void add_gpu_warnings(capture *c, const gpuc__smi *all)
{
    const gpuc__smi_value *attached = &all->field[GPUC__SMI_ATTACHED_GPUS];

    for (size_t i = 0; i < all->gpu_count; i++) {
        for (int f = 0; f < GPUC__SMI_GPU_FIELDS; f++) {
            const gpuc__smi_value *v = &all->gpus[i].field[f];

            if (v->state == GPUC__SMI_UNKNOWN && v->text[0] && strcmp(v->text, "Unknown") != 0)
                gpuc__smi_warn(&c->text, "GPU %s: %s is \"%s\", which is not understood",
                               gpuc__smi_gpu_key(&all->gpus[i]), gpuc__smi_gpu_fields[f].name,
                               v->text);
        }
    }
    if (attached->has_number && attached->number != (double)all->gpu_count)
        gpuc__smi_warn(&c->text, "%.0f GPUs are attached, %zu are in the capture",
                       attached->number, all->gpu_count);
    if (c->others)
        gpuc__smi_warn(&c->text, "%zu lines are of no form that is read; the first is line %zu",
                       c->others, c->first_other);
}

static void put_known_text(gpuc__buf *out, const char *key, const gpuc__smi_value *v)
{
    gpuc__put_text(out, key, v->state == GPUC__SMI_KNOWN ? v->text : NULL);
}

static void put_known_number(gpuc__buf *out, const char *key, const gpuc__smi_value *v)
{
    if (v->state == GPUC__SMI_KNOWN && v->has_number)
        gpuc__put_number(out, key, v->number);
    else
        gpuc__put_null(out, key);
}

/* The report's own object of a GPU; what only the probe measures is null. */
static void put_gpu(gpuc__buf *out, const gpuc__smi_gpu *gpu)
{
    gpuc__put_open(out, NULL, '{');
    if (gpu->index >= 0)
        gpuc__put_integer(out, "index", gpu->index);
    else
        gpuc__put_null(out, "index");
    put_known_text(out, "uuid", &gpu->field[GPUC__SMI_UUID]);
    gpuc__put_text(out, "bus", gpu->bus[0] ? gpu->bus : NULL);
    put_known_text(out, "product", &gpu->field[GPUC__SMI_PRODUCT]);
    put_known_number(out, "memory_mib", &gpu->field[GPUC__SMI_MEMORY_TOTAL]);
    gpuc__put_null(out, "memory_gbs");
    gpuc__smi_gpu_put(out, "nvidia_smi", gpu, gpu->migs);
    gpuc__put_close(out, '}');
}

static void put_forms(gpuc__buf *out, const capture *c)
{
    const char *name = NULL;

    gpuc__put_open(out, "forms", '[');
    for (int f = 0; f < FORMS; f++) {
        if (!c->seen[f])
            continue;
        gpuc__put_text(out, NULL, form_names[f]);
        name = name ? "mixed" : form_names[f];
    }
    gpuc__put_close(out, ']');
    gpuc__put_text(out, "form", name);
}

/* null: the capture lists no field that is read. */
static void put_query(gpuc__buf *out, const json_t *fields)
{
    gpuc__buf query = GPUC__BUF_INIT(QUERY_MAX);

    if (fields)
        gpuc__smi_columns_to_ask(&query, fields);
    gpuc__put_text(out, "query", query.length ? gpuc__buf_text(&query) : NULL);
    out->failed |= query.failed;
    gpuc__buf_clear(&query);
}

static void put_capture(gpuc__buf *out, const capture *c, const gpuc__smi *all)
{
    gpuc__put_open(out, NULL, '{');
    gpuc__put_open(out, "gpus", '[');
    for (size_t i = 0; i < all->gpu_count; i++)
        put_gpu(out, &all->gpus[i]);
    gpuc__put_close(out, ']');
    put_forms(out, c);
    gpuc__put_text(out, "dtd", c->dtd[0] ? c->dtd : NULL);
    put_known_text(out, "driver", &all->field[GPUC__SMI_DRIVER_VERSION]);
    put_known_text(out, "cuda", &all->field[GPUC__SMI_CUDA_VERSION]);
    put_known_text(out, "time", &all->field[GPUC__SMI_TIMESTAMP]);
    put_known_number(out, "attached_gpus", &all->field[GPUC__SMI_ATTACHED_GPUS]);
    gpuc__put_bool(out, "simulated", all->simulated);
    gpuc__put_value(out, "topology", c->topology);
    gpuc__put_value(out, "fields", c->fields);
    put_query(out, c->fields);
    gpuc__put_value(out, "failures", c->failures);
    gpuc__put_value(out, "warnings", c->text.warnings);
    gpuc__put_close(out, '}');
}

/* All forms together, the one to believe most first. */
static int put_together(gpuc__buf *out, capture *c, gpuc_error **err)
{
    gpuc__smi *all = gpuc__calloc(1, sizeof(*all));
    bool ok = all != NULL;

    for (int f = 0; f < FORMS && ok; f++)
        ok = !c->said[f] || gpuc__smi_merge(all, c->said[f]);
    if (ok) {
        add_gpu_warnings(c, all);
        put_capture(out, c, all);
    }
    gpuc__smi_free(all);
    return ok && !out->failed && !c->text.no_memory ? GPUC_OK : gpuc__error_nomem(err);
}

static int refuse(capture *c, const char *bytes, size_t length, gpuc_error **err)
{
    if (c->damage) {
        if (err && !*err)
            *err = gpuc_error_ref(c->damage);
        return gpuc_error_code(c->damage);
    }
    gpuc__error_set(err, GPUC_EPROTO, GPUC_DOMAIN_GPU,
                    "this is no output of nvidia-smi that can be read: none of -q -x, -q, the plain "
                    "table, CSV with its header, -L, topo -m, nvlink -s, --version and "
                    "--help-query-gpu");
    gpuc__error_evidence(err, bytes, length < 256 ? length : 256);
    gpuc__error_remedy(err, "save the output of \"nvidia-smi -q -x\"; it says most");
    return GPUC_EPROTO;
}

static void clear(capture *c)
{
    for (int f = 0; f < FORMS; f++)
        gpuc__smi_free(c->said[f]);
    json_decref(c->topology);
    json_decref(c->fields);
    json_decref(c->failures);
    json_decref(c->reasons);
    gpuc_error_unref(c->damage);
    gpuc__smi_text_clear(&c->text);
}

int gpuc__capture_parse(char **out, const char *bytes, size_t length, gpuc_error **err)
{
    capture c = {.failures = json_array()};
    gpuc__buf text = GPUC__BUF_INIT(REPORT_MAX);
    bool any = false;
    int rc = gpuc__smi_text_init(&c.text, bytes, length, err);

    while (rc == GPUC_OK && gpuc__smi_line(&c.text)) {
        if (c.sections++ == SECTIONS_MAX) {
            gpuc__smi_warn(&c.text, "line %zu: more than %d parts; the rest is not read",
                           c.text.at + 1, SECTIONS_MAX);
            break;
        }
        rc = read_section(&c, err);
    }
    for (int f = 0; f < FORMS; f++)
        any = any || c.seen[f];
    if (rc == GPUC_OK)
        rc = any ? put_together(&text, &c, err) : refuse(&c, bytes, length, err);
    if (rc == GPUC_OK)
        *out = gpuc__buf_take(&text);
    gpuc__buf_clear(&text);
    clear(&c);
    return rc;
}
