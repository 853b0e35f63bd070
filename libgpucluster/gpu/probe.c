/* SPDX-License-Identifier: Apache-2.0 */
/* The probe's text and command, and the reader of its lines. */
#include "gpu/probe.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "gpu/tables.h"
#include "util/alloc.h"
#include "util/buf.h"
#include "util/data.h"
#include "util/error.h"
#include "util/quote.h"

#define LINE_MAX_BYTES 8192

int gpuc__probe_script(char **out, gpuc_error **err)
{
    const gpuc__data *program = gpuc__data_get("gpu/probe/probe.py");
    const gpuc__data *ptx = gpuc__data_get("gpu/probe/probe.ptx");
    char *text;

    if (!program || !ptx || strstr(ptx->text, "\"\"\""))
        return gpuc__error_set(err, GPUC_EINTERNAL, GPUC_DOMAIN_GPU,
                               "the probe's program or PTX is not in this build");
    text = gpuc__asprintf("%s\n\nPTX = r\"\"\"\n%s\"\"\"\nsys.exit(main(sys.argv[1:], PTX))\n",
                          program->text, ptx->text);
    if (!text)
        return gpuc__error_nomem(err);
    *out = text;
    return GPUC_OK;
}

int gpuc__probe_command(char **out, int mib, const char *const *skip, size_t skip_count,
                        gpuc_error **err)
{
    gpuc__buf command = GPUC__BUF_INIT(64 * 1024);
    char *text;

    GPUC__CHECK_ARG(err, mib >= 0 && mib <= 4096 && skip_count <= GPUC__PROBE_GPUS_MAX);
    gpuc__buf_printf(&command, "timeout -k 5 120 python3 - --mib %d",
                     mib ? mib : GPUC__PROBE_MIB);
    for (size_t i = 0; i < skip_count; i++) {
        char bus[GPUC__BUS_ID_SIZE];

        if (!gpuc__bus_id_normalise(bus, skip[i])) {
            gpuc__buf_clear(&command);
            return gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_GPU,
                                   "\"%s\" is not a PCI bus id", skip[i]);
        }
        gpuc__buf_puts(&command, " --skip ");
        gpuc__quote_shell(&command, bus);
    }
    text = gpuc__buf_take(&command);
    if (!text)
        return gpuc__error_nomem(err);
    *out = text;
    return GPUC_OK;
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

/* "begin" makes the GPU, failed until its "gpu" line comes; that line may also come alone. */
static int read_gpu(gpuc__probe *probe, const json_t *line, bool result, gpuc_error **err)
{
    int ordinal = (int)get_number(line, "ordinal", -1);
    char status[16], bus[64];
    gpuc__probe_gpu *g = NULL;

    for (size_t i = 0; i < probe->gpu_count; i++) {
        if (probe->gpus[i].ordinal == ordinal)
            g = &probe->gpus[i];
    }
    if (!g) {
        gpuc__probe_gpu *list;

        if (probe->gpu_count == GPUC__PROBE_GPUS_MAX)
            return gpuc__error_set(err, GPUC_ELIMIT, GPUC_DOMAIN_GPU,
                                   "the probe speaks of more than %d GPUs",
                                   GPUC__PROBE_GPUS_MAX);
        list = gpuc__realloc(probe->gpus, (probe->gpu_count + 1) * sizeof(*list));
        if (!list)
            return gpuc__error_nomem(err);
        probe->gpus = list;
        g = &list[probe->gpu_count++];
    }
    memset(g, 0, sizeof(*g));
    g->ordinal = ordinal;
    get_text(bus, sizeof(bus), line, "bus");
    gpuc__bus_id_normalise(g->bus, bus);
    get_text(g->uuid, sizeof(g->uuid), line, "uuid");
    get_text(g->name, sizeof(g->name), line, "name");
    get_text(g->cc, sizeof(g->cc), line, "cc");
    get_text(status, sizeof(status), line, "status");
    g->mismatches = get_number(line, "mismatches", -1);
    g->host_mismatches = get_number(line, "host_mismatches", -1);
    g->mib = get_number(line, "mib", 0);
    g->gbs = get_rate(line, "gbs");
    g->theoretical_gbs = get_rate(line, "theoretical_gbs");
    g->status = GPUC_CHECK_FAIL;
    if (!result) {
        snprintf(g->stage, sizeof(g->stage), "compute");
        snprintf(g->detail, sizeof(g->detail), "the probe began on this GPU and did not end");
        return GPUC_OK;
    }
    read_failure(line, g->stage, sizeof(g->stage), &g->code, g->error, sizeof(g->error),
                 g->detail, sizeof(g->detail));
    if (strcmp(status, "pass") == 0 && g->mismatches == 0 && g->host_mismatches == 0)
        g->status = GPUC_CHECK_PASS;
    else if (strcmp(status, "skip") == 0)
        g->status = GPUC_CHECK_SKIP;
    return GPUC_OK;
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
    if (strcmp(event, "driver") == 0) {
        probe->cuda = (int)get_number(line, "cuda", 0);
        probe->count = (int)get_number(line, "count", -1);
        probe->simulated = json_is_true(json_object_get(line, "simulated"));
    } else if (strcmp(event, "fatal") == 0) {
        probe->fatal = true;
        read_failure(line, probe->stage, sizeof(probe->stage), &probe->code, probe->error,
                     sizeof(probe->error), probe->detail, sizeof(probe->detail));
    } else if (strcmp(event, "begin") == 0 || strcmp(event, "gpu") == 0) {
        rc = read_gpu(probe, line, strcmp(event, "gpu") == 0, err);
    } else if (strcmp(event, "end") == 0) {
        probe->ended = true;
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
        if (bus[0] && strcmp(probe->gpus[i].bus, bus) == 0)
            return &probe->gpus[i];
    }
    for (size_t i = 0; i < probe->gpu_count; i++) {
        if (uuid[0] && strcmp(probe->gpus[i].uuid, uuid) == 0)
            return &probe->gpus[i];
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
