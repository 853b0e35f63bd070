/* SPDX-License-Identifier: Apache-2.0 */
/* The second look at a machine, right after the compute probe: its script and its reader. */
#include <stdlib.h>
#include <string.h>

#include "gpu/collect_parts.h"
#include "util/alloc.h"
#include "util/data.h"
#include "util/error.h"

int gpuc__collect_after_script(char **out, const char *nonce, int dcgm_level, gpuc_error **err)
{
    const gpuc__data *script = gpuc__data_get("gpu/sh/after.sh");

    GPUC__CHECK_ARG(err, nonce && gpuc__section_nonce_ok(nonce) && dcgm_level >= 0 &&
                             dcgm_level <= 3);
    if (!script)
        return gpuc__error_set(err, GPUC_EINTERNAL, GPUC_DOMAIN_GPU,
                               "gpu/sh/after.sh is not in this build");
    *out = gpuc__asprintf("GPUC_STATUS=$?\nGPUC_NONCE=%s\nGPUC_DCGM=%d\n%s", nonce, dcgm_level,
                          script->text);
    return *out ? GPUC_OK : gpuc__error_nomem(err);
}

/* "0000:0a:00.0 16 16.0" */
static void read_link(gpuc__collect *c, gpuc__slice line)
{
    char text[128], *width, *speed, bus[GPUC__BUS_ID_SIZE];

    gpuc__slice_copy(text, sizeof(text), line);
    width = strchr(text, ' ');
    speed = width ? strchr(width + 1, ' ') : NULL;
    if (!speed)
        return;
    *width = *speed = '\0';
    if (!gpuc__bus_id_normalise(bus, text))
        return;
    for (size_t i = 0; i < c->pci_count; i++) {
        if (strcmp(c->pci[i].bus, bus) == 0) {
            c->pci[i].width_after = gpuc__pci_width(width + 1);
            c->pci[i].speed_after = gpuc__pci_speed(speed + 1);
        }
    }
}

static int read_smi(gpuc__collect *c, gpuc__section s, gpuc_error **err)
{
    gpuc_error *why = NULL;
    int rc;

    if (!s.whole)
        return GPUC_OK;
    rc = gpuc__smi_parse(&c->after.smi, s.body.at, s.body.length, &why);
    gpuc_error_unref(why); /* what cannot be read is not known */
    return rc == GPUC_ENOMEM ? gpuc__error_nomem(err) : GPUC_OK;
}

static int read_dcgm(gpuc__collect *c, gpuc__section s, gpuc_error **err)
{
    json_error_t why = {0};
    const char *start;

    c->after.dcgm_run = s.begun;
    c->after.dcgm_status = s.whole ? s.status : -1;
    start = s.whole ? memchr(s.body.at, '{', s.body.length) : NULL; /* warnings come before it */
    if (!start)
        return GPUC_OK;
    c->after.dcgm = json_loadb(start, s.body.length - (size_t)(start - s.body.at),
                               JSON_DISABLE_EOF_CHECK, &why);
    return !c->after.dcgm && json_error_code(&why) == json_error_out_of_memory
               ? gpuc__error_nomem(err)
               : GPUC_OK;
}

int gpuc__collect_after_parse(gpuc__collect *c, const char *nonce, const char *bytes, size_t length,
                              gpuc_error **err)
{
    gpuc__slice all = {bytes, length}, line;
    gpuc__section links, clock;
    char text[24];
    int rc;

    GPUC__CHECK_ARG(err, nonce && gpuc__section_nonce_ok(nonce));
    if (length > GPUC__COLLECT_OUTPUT_MAX)
        return gpuc__error_set(err, GPUC_ELIMIT, GPUC_DOMAIN_GPU,
                               "the machine answered %zu bytes; at most %u are read", length,
                               GPUC__COLLECT_OUTPUT_MAX);
    links = gpuc__section_find(all, nonce, "links");
    while (links.begun && gpuc__slice_line(&links.body, &line))
        read_link(c, line);
    clock = gpuc__section_find(all, nonce, "clock");
    if (clock.whole) {
        gpuc__slice_copy(text, sizeof(text), clock.body);
        c->after.time_s = strtoll(text, NULL, 10);
    }
    rc = read_smi(c, gpuc__section_find(all, nonce, "smi"), err);
    return rc ? rc : read_dcgm(c, gpuc__section_find(all, nonce, "dcgm"), err);
}
