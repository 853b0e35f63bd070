/* SPDX-License-Identifier: Apache-2.0 */
/* The probe's text, and the reader of its lines. */
#include "gpu/probe.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "gpu/tables.h"
#include "util/alloc.h"
#include "util/buf.h"
#include "util/data.h"
#include "util/error.h"
#include "util/quote.h"

#define LINE_MAX_BYTES 8192
#define SCRIPT_MAX (256u * 1024)
/* As in the probe's texts: seconds for a device, for each after one that hung, and for what is
 * around them: nvidia-smi -L, a compiler, starting. */
enum { DEADLINE_S = 60, DEADLINE_AFTER_HANG_S = 20, AROUND_S = 150 };

static bool device_ok(const char *device)
{
    size_t n = strlen(device);

    return (strncmp(device, "GPU-", 4) == 0 || strncmp(device, "MIG-", 4) == 0) && n < 96 &&
           strspn(device, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-/") == n;
}

static int add_list(gpuc__buf *script, const char *name, const char *const *list, size_t count,
                    gpuc_error **err)
{
    gpuc__buf_printf(script, "%s='", name);
    for (size_t i = 0; i < count; i++) {
        if (!device_ok(list[i]))
            return gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_GPU,
                                   "\"%.100s\" is not the UUID of a GPU or MIG device", list[i]);
        gpuc__buf_printf(script, "%s%s", i ? " " : "", list[i]);
    }
    gpuc__buf_puts(script, "'\n");
    return GPUC_OK;
}

static int add_texts(gpuc__buf *script, bool compiler, gpuc_error **err)
{
    static const struct {
        const char *name, *path;
    } texts[] = {{"GPUC_PTX", "gpu/probe/probe.ptx"},
                 {"GPUC_PY", "gpu/probe/probe.py"},
                 {"GPUC_C", "gpu/probe/probe.c"}};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        const gpuc__data *data = gpuc__data_get(texts[i].path);

        if (!data)
            return gpuc__error_set(err, GPUC_EINTERNAL, GPUC_DOMAIN_GPU, "%s is not in this build",
                                   texts[i].path);
        gpuc__buf_printf(script, "%s=", texts[i].name);
        if (i < 2 || compiler)
            gpuc__quote_shell(script, data->text);
        gpuc__buf_putc(script, '\n');
    }
    return GPUC_OK;
}

int gpuc__probe_script(char **out, const gpuc__probe_request *request, gpuc_error **err)
{
    const gpuc__data *runner = gpuc__data_get("gpu/sh/compute.sh");
    gpuc__buf script = GPUC__BUF_INIT(SCRIPT_MAX);
    char *text = NULL;
    int rc;

    GPUC__CHECK_ARG(err, request->mib >= 0 && request->mib <= 4096 && runner &&
                             request->deadline_s >= 0 && request->deadline_s <= DEADLINE_S &&
                             request->device_count <= GPUC__PROBE_GPUS_MAX &&
                             request->skip_count <= GPUC__PROBE_GPUS_MAX);
    gpuc__buf_printf(&script, "GPUC_OPTIONS='--mib %d --deadline %d'\nGPUC_TABLE=%s\n", request->mib,
                     request->deadline_s ? request->deadline_s : DEADLINE_S,
                     request->container ? "1" : "");
    rc = add_list(&script, "GPUC_DEVICES", request->devices, request->device_count, err);
    if (rc == GPUC_OK)
        rc = add_list(&script, "GPUC_SKIP", request->skip, request->skip_count, err);
    if (rc == GPUC_OK)
        rc = add_texts(&script, !request->container, err);
    gpuc__buf_puts(&script, runner->text);
    if (rc == GPUC_OK) {
        text = gpuc__buf_take(&script);
        rc = text ? GPUC_OK : gpuc__error_nomem(err);
    }
    gpuc__buf_clear(&script);
    if (rc == GPUC_OK)
        *out = text;
    return rc;
}

int gpuc__probe_script_for_pod(char **out, const gpuc__probe_request *request, gpuc_error **err)
{
    gpuc__buf doubled = GPUC__BUF_INIT(SCRIPT_MAX);
    char *text = NULL;
    int rc = gpuc__probe_script(&text, request, err);

    for (const char *at = text; rc == GPUC_OK && *at; at++)
        gpuc__buf_puts(&doubled, *at == '$' ? "$$" : (char[]){*at, '\0'});
    gpuc__free(text);
    if (rc == GPUC_OK) {
        text = gpuc__buf_take(&doubled);
        rc = text ? GPUC_OK : gpuc__error_nomem(err);
    }
    gpuc__buf_clear(&doubled);
    if (rc == GPUC_OK)
        *out = text;
    return rc;
}

int gpuc__probe_timeout_ms(size_t devices)
{
    if (devices > GPUC__PROBE_GPUS_MAX)
        devices = GPUC__PROBE_GPUS_MAX;
    return 1000 * (AROUND_S + DEADLINE_S + DEADLINE_AFTER_HANG_S * (int)devices);
}

static void get_text(char *out, size_t size, const json_t *line, const char *key)
{
    const char *text = json_string_value(json_object_get(line, key));

    snprintf(out, size, "%s", text ? text : "");
}

static long get_number(const json_t *line, const char *key, long absent)
{
    const json_t *value = json_object_get(line, key);
    json_int_t n = json_integer_value(value);

    return json_is_integer(value) && n >= -0x7fffffff && n <= 0xffffffff ? (long)n : absent;
}

static double get_rate(const json_t *line, const char *key)
{
    double value = json_number_value(json_object_get(line, key));

    return value > 0 && value < 1e9 ? value : 0;
}

static void read_failure(const json_t *line, char *stage, size_t stage_size, int *code,
                         char *error, size_t error_size, char *detail, size_t detail_size)
{
    get_text(stage, stage_size, line, "stage");
    *code = (int)get_number(line, "code", 0);
    get_text(error, error_size, line, "error");
    get_text(detail, detail_size, line, "detail");
}

/* The device's place, a new one at the end when there is none yet. */
static int place_of(gpuc__probe_gpu **out, gpuc__probe *probe, const char *device, gpuc_error **err)
{
    gpuc__probe_gpu *list;

    for (size_t i = 0; i < probe->gpu_count; i++) {
        if (strcmp(probe->gpus[i].device, device) == 0) {
            *out = &probe->gpus[i];
            return GPUC_OK;
        }
    }
    if (probe->gpu_count == GPUC__PROBE_GPUS_MAX)
        return gpuc__error_set(err, GPUC_ELIMIT, GPUC_DOMAIN_GPU,
                               "the probe speaks of more than %d devices", GPUC__PROBE_GPUS_MAX);
    list = gpuc__realloc(probe->gpus, (probe->gpu_count + 1) * sizeof(*list));
    if (!list)
        return gpuc__error_nomem(err);
    probe->gpus = list;
    *out = &list[probe->gpu_count++];
    return GPUC_OK;
}

static void read_facts(gpuc__probe_gpu *g, const json_t *line)
{
    char bus[64];

    get_text(g->parent, sizeof(g->parent), line, "parent");
    g->index = g->parent[0] ? (int)get_number(line, "index", -1) : -1;
    get_text(bus, sizeof(bus), line, "bus");
    gpuc__bus_id_normalise(g->bus, bus);
    get_text(g->uuid, sizeof(g->uuid), line, "uuid");
    get_text(g->name, sizeof(g->name), line, "name");
    get_text(g->cc, sizeof(g->cc), line, "cc");
    g->cuda = (int)get_number(line, "cuda", 0);
    g->mismatches = get_number(line, "mismatches", -1);
    g->host_mismatches = get_number(line, "host_mismatches", -1);
    g->mib = get_number(line, "mib", 0);
    g->memory_mib = get_number(line, "memory_mib", -1);
    g->l2_kib = get_number(line, "l2_kib", -1);
    g->gbs = get_rate(line, "gbs");
}

/* What the driver says, else the table. The parts of a MIG device share the card's memory in a way
 * that neither tells. */
static int read_theoretical(gpuc__probe_gpu *g, const json_t *line, gpuc_error **err)
{
    int rc = GPUC_OK;

    if (g->parent[0])
        return GPUC_OK;
    g->theoretical_gbs = get_rate(line, "theoretical_gbs");
    if (g->theoretical_gbs > 0) {
        g->theoretical_source = GPUC__BANDWIDTH_DRIVER;
    } else if (g->gbs > 0) {
        rc = gpuc__memory_bandwidth(&g->theoretical_gbs, g->name, err);
        if (g->theoretical_gbs > 0)
            g->theoretical_source = GPUC__BANDWIDTH_TABLE;
    }
    return rc;
}

/* "begin" makes the device, failed until its "gpu" line comes; that line may also come alone. */
static int read_gpu(gpuc__probe *probe, const json_t *line, bool result, gpuc_error **err)
{
    char device[96], status[16];
    gpuc__probe_gpu *g = NULL;
    int rc;

    get_text(device, sizeof(device), line, "device");
    rc = place_of(&g, probe, device, err);
    if (rc)
        return rc;
    memset(g, 0, sizeof(*g));
    memcpy(g->device, device, sizeof(device));
    read_facts(g, line);
    g->status = GPUC_CHECK_FAIL;
    if (!result) {
        snprintf(g->stage, sizeof(g->stage), "compute");
        snprintf(g->error, sizeof(g->error), "CUT");
        snprintf(g->detail, sizeof(g->detail), "the probe began on this GPU and did not end");
        return GPUC_OK;
    }
    get_text(status, sizeof(status), line, "status");
    read_failure(line, g->stage, sizeof(g->stage), &g->code, g->error, sizeof(g->error),
                 g->detail, sizeof(g->detail));
    if (strcmp(status, "pass") == 0 && g->mismatches == 0 && g->host_mismatches == 0)
        g->status = GPUC_CHECK_PASS;
    return read_theoretical(g, line, err);
}

static int read_line(gpuc__probe *probe, const char *text, size_t length, gpuc_error **err)
{
    json_t *line;
    const char *event;
    int rc = GPUC_OK;

    if (length > LINE_MAX_BYTES || length == 0 || text[0] != '{')
        return GPUC_OK;
    line = json_loadb(text, length, 0, NULL);
    event = json_string_value(json_object_get(line, "event"));
    if (!event) {
        json_decref(line);
        return GPUC_OK;
    }
    if (strcmp(event, "start") == 0) {
        probe->begun++;
        get_text(probe->runner, sizeof(probe->runner), line, "runner");
        probe->count = (int)get_number(line, "devices", -1);
        probe->simulated = json_is_true(json_object_get(line, "simulated"));
    } else if (strcmp(event, "fatal") == 0) {
        probe->fatal = true;
        probe->begun++;
        read_failure(line, probe->stage, sizeof(probe->stage), &probe->code, probe->error,
                     sizeof(probe->error), probe->detail, sizeof(probe->detail));
    } else if (strcmp(event, "begin") == 0 || strcmp(event, "gpu") == 0) {
        rc = read_gpu(probe, line, strcmp(event, "gpu") == 0, err);
    } else if (strcmp(event, "end") == 0) {
        probe->ends++;
    }
    json_decref(line);
    return rc;
}

/* The last line of stderr that is not empty: of a traceback, the one that says what happened. */
static void last_line(char *out, size_t size, const char *text, size_t length)
{
    size_t start, n;

    while (length && (text[length - 1] == '\n' || text[length - 1] == ' '))
        length--;
    for (start = length; start && text[start - 1] != '\n'; start--)
        ;
    n = length - start < size ? length - start : size - 1;
    memcpy(out, text + start, n);
    out[n] = '\0';
}

int gpuc__probe_parse(gpuc__probe **out, int status, const char *bytes, size_t length,
                      const char *errout, size_t errout_length, gpuc_error **err)
{
    gpuc__probe *probe;
    int rc = GPUC_OK;

    if (length > GPUC__PROBE_OUTPUT_MAX)
        return gpuc__error_set(err, GPUC_ELIMIT, GPUC_DOMAIN_GPU,
                               "the probe printed %zu bytes; at most %u are read", length,
                               GPUC__PROBE_OUTPUT_MAX);
    probe = gpuc__calloc(1, sizeof(*probe));
    if (!probe)
        return gpuc__error_nomem(err);
    probe->status = status;
    probe->count = -1;
    for (size_t at = 0; at < length && rc == GPUC_OK;) {
        const char *end = memchr(bytes + at, '\n', length - at);
        size_t n = end ? (size_t)(end - bytes) - at : length - at;

        rc = read_line(probe, bytes + at, n, err);
        at += n + 1;
    }
    if (rc) {
        gpuc__probe_free(probe);
        return rc;
    }
    if (!probe->detail[0] && errout_length)
        last_line(probe->detail, sizeof(probe->detail), errout, errout_length);
    *out = probe;
    return GPUC_OK;
}

void gpuc__probe_free(gpuc__probe *probe)
{
    if (probe) {
        gpuc__free(probe->gpus);
        gpuc__free(probe);
    }
}

const gpuc__probe_gpu *gpuc__probe_find(const gpuc__probe *probe, const char *bus,
                                        const char *uuid)
{
    for (size_t i = 0; i < probe->gpu_count; i++) {
        const gpuc__probe_gpu *g = &probe->gpus[i];

        if (!g->parent[0] && uuid[0] &&
            (strcmp(g->device, uuid) == 0 || strcmp(g->uuid, uuid) == 0))
            return g;
    }
    for (size_t i = 0; i < probe->gpu_count; i++) {
        const gpuc__probe_gpu *g = &probe->gpus[i];

        if (!g->parent[0] && bus[0] && strcmp(g->bus, bus) == 0)
            return g;
    }
    return NULL;
}

const gpuc__probe_gpu *gpuc__probe_find_mig(const gpuc__probe *probe, const char *parent, int index)
{
    for (size_t i = 0; parent[0] && i < probe->gpu_count; i++) {
        const gpuc__probe_gpu *g = &probe->gpus[i];

        if (g->index == index && strcmp(g->parent, parent) == 0)
            return g;
    }
    return NULL;
}

int gpuc__cuda_reason_get(gpuc__cuda_reason *out, int code, const char *name, gpuc_error **err)
{
    gpuc__cuda_reason reason = {NULL, NULL, NULL};
    json_t *table = NULL, *row;
    int rc = gpuc__table_load(&table, "gpu/cuda-errors.json", err);

    if (rc)
        return rc;
    row = code ? gpuc__table_find_int(table, "errors", "code", code)
               : gpuc__table_find_text(table, "named", "name", name);
    reason.name = gpuc__strdup(row ? gpuc__table_text(row, "name") : name);
    if (!row)
        row = json_object_get(table, "default");
    reason.reason = gpuc__strdup(gpuc__table_text(row, "reason"));
    reason.remedy = gpuc__strdup(gpuc__table_text(row, "remedy"));
    json_decref(table);
    if (!reason.name || !reason.reason || !reason.remedy) {
        gpuc__cuda_reason_clear(&reason);
        return gpuc__error_nomem(err);
    }
    *out = reason;
    return GPUC_OK;
}

void gpuc__cuda_reason_clear(gpuc__cuda_reason *reason)
{
    gpuc__free(reason->name);
    gpuc__free(reason->reason);
    gpuc__free(reason->remedy);
    memset(reason, 0, sizeof(*reason));
}

/* The word stands in the name as a word: "NVIDIA A100-SXM4-40GB" has A100 and 40GB. */
static bool name_has(const char *name, const char *word)
{
    static const char between[] = " -_/()";
    size_t n, length = strlen(word);

    for (name += strspn(name, between); *name; name += strspn(name, between)) {
        n = strcspn(name, between);
        if (n == length && strncasecmp(name, word, n) == 0)
            return true;
        name += n;
    }
    return false;
}

static bool row_fits(const json_t *row, const char *name)
{
    const json_t *words = json_object_get(row, "words"), *word;
    size_t i;

    json_array_foreach(words, i, word) {
        if (!name_has(name, json_string_value(word)))
            return false;
    }
    json_array_foreach(json_object_get(row, "not"), i, word) {
        if (name_has(name, json_string_value(word)))
            return false;
    }
    return json_array_size(words) > 0;
}

int gpuc__memory_bandwidth(double *out, const char *product, gpuc_error **err)
{
    json_t *table = NULL, *row;
    size_t i;
    int rc = gpuc__table_load(&table, "gpu/memory-bandwidth.json", err);

    if (rc)
        return rc;
    *out = 0;
    json_array_foreach(json_object_get(table, "products"), i, row) {
        if (row_fits(row, product)) {
            *out = json_number_value(json_object_get(row, "gbs"));
            break;
        }
    }
    json_decref(table);
    return GPUC_OK;
}
