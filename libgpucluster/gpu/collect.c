/* SPDX-License-Identifier: Apache-2.0 */
/* The reader of collect.sh's sections. */
#include "gpu/collect.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/alloc.h"
#include "util/buf.h"
#include "util/data.h"
#include "util/error.h"

/* Bytes of the answer. */
typedef struct slice {
    const char *at;
    size_t length;
} slice;

typedef struct section {
    slice body;
    bool begun, whole;
    int status; /* -1: cut before its end */
} section;

static bool nonce_ok(const char *nonce)
{
    size_t n = strspn(nonce, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");

    return nonce[n] == '\0' && n >= 8 && n <= 64;
}

int gpuc__collect_script(char **out, const char *nonce, gpuc_error **err)
{
    const gpuc__data *script = gpuc__data_get("gpu/sh/collect.sh");
    char *text;

    GPUC__CHECK_ARG(err, nonce && nonce_ok(nonce));
    if (!script)
        return gpuc__error_set(err, GPUC_EINTERNAL, GPUC_DOMAIN_GPU,
                               "gpu/sh/collect.sh is not in this build");
    text = gpuc__asprintf("GPUC_NONCE=%s\n%s", nonce, script->text);
    if (!text)
        return gpuc__error_nomem(err);
    *out = text;
    return GPUC_OK;
}

/* Cuts the next line off; false at the end. */
static bool next_line(slice *rest, slice *line)
{
    const char *end;

    if (rest->length == 0)
        return false;
    end = memchr(rest->at, '\n', rest->length);
    line->at = rest->at;
    line->length = end ? (size_t)(end - rest->at) : rest->length;
    rest->at += line->length + (end != NULL);
    rest->length -= line->length + (end != NULL);
    return true;
}

static void copy(char *out, size_t size, slice from)
{
    while (from.length && !isgraph((unsigned char)from.at[from.length - 1]))
        from.length--;
    while (from.length && !isgraph((unsigned char)*from.at)) {
        from.at++;
        from.length--;
    }
    if (from.length >= size)
        from.length = size - 1;
    memcpy(out, from.at, from.length);
    out[from.length] = '\0';
    for (char *p = out; *p; p++) {
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = ' ';
    }
}

static bool starts(slice text, const char *with)
{
    size_t n = strlen(with);

    return text.length >= n && memcmp(text.at, with, n) == 0;
}

/* With its newline: not cut, and not within a number. */
static bool whole_line(slice all, slice line)
{
    return line.at + line.length < all.at + all.length;
}

/* Finds the section's lines; a section that was cut reaches to the end of the answer. */
static section find_section(slice all, const char *nonce, const char *name)
{
    section found = {{NULL, 0}, false, false, -1};
    char begin[128], end[128];
    slice rest = all, line;

    snprintf(begin, sizeof(begin), "==%s begin %s", nonce, name);
    snprintf(end, sizeof(end), "==%s end %s ", nonce, name);
    while (next_line(&rest, &line)) {
        if (!found.begun && line.length == strlen(begin) && starts(line, begin)) {
            found.begun = true;
            found.body.at = rest.at;
        } else if (found.begun && starts(line, end) && whole_line(all, line)) {
            char status[16];

            copy(status, sizeof(status),
                 (slice){line.at + strlen(end), line.length - strlen(end)});
            if (!isdigit((unsigned char)status[0]))
                break;
            found.status = (int)strtol(status, NULL, 10);
            found.whole = true;
            found.body.length = (size_t)(line.at - found.body.at);
            if (found.body.length) /* the newline that the script adds */
                found.body.length--;
            return found;
        }
    }
    if (found.begun)
        found.body.length = (size_t)(all.at + all.length - found.body.at);
    return found;
}

static void read_facts(gpuc__collect *c, section s)
{
    struct {
        const char *key;
        char *out;
        size_t size;
    } texts[] = {
        {"kernel=", c->kernel, sizeof(c->kernel)},
        {"boot_id=", c->boot_id, sizeof(c->boot_id)},
    };
    slice line;

    while (next_line(&s.body, &line)) {
        if (starts(line, "simulated=1"))
            c->simulated = true;
        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
            size_t n = strlen(texts[i].key);

            if (starts(line, texts[i].key))
                copy(texts[i].out, texts[i].size, (slice){line.at + n, line.length - n});
        }
    }
}

static int read_pci(gpuc__collect *c, section s, gpuc_error **err)
{
    slice line;

    c->pci_known = s.whole;
    while (next_line(&s.body, &line)) {
        gpuc__pci_device device, *list;
        char text[160], bus[64], driver[32];

        copy(text, sizeof(text), line);
        memset(&device, 0, sizeof(device));
        if (sscanf(text, "%63s 0x%4x 0x%4x 0x%6x %31s", bus, &device.vendor, &device.device,
                   &device.pci_class, driver) != 5 ||
            !gpuc__bus_id_normalise(device.bus, bus))
            continue;
        if (strcmp(driver, "-") != 0)
            memcpy(device.driver, driver, sizeof(driver));
        if (c->pci_count == GPUC__COLLECT_PCI_MAX)
            return gpuc__error_set(err, GPUC_ELIMIT, GPUC_DOMAIN_GPU,
                                   "more than %d NVIDIA PCI functions on one machine",
                                   GPUC__COLLECT_PCI_MAX);
        list = gpuc__realloc(c->pci, (c->pci_count + 1) * sizeof(*list));
        if (!list)
            return gpuc__error_nomem(err);
        c->pci = list;
        list[c->pci_count++] = device;
    }
    return GPUC_OK;
}

/* "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.261.03  Mon …": the first word after
 * "Kernel Module" that begins with a digit ("Open Kernel Module for x86_64  580.65.06"). */
static void read_version(gpuc__collect *c, section s)
{
    slice line = {"", 0};
    const char *at;

    c->version_known = s.whole;
    if (!s.whole || s.status != 0 || !next_line(&s.body, &line))
        return;
    copy(c->driver_text, sizeof(c->driver_text), line);
    at = strstr(c->driver_text, "Kernel Module");
    for (at = at ? strchr(at, ' ') : NULL; at; at = strchr(at + 1, ' ')) {
        size_t n = strcspn(at + 1, " ");

        if (isdigit((unsigned char)at[1]) && memchr(at + 1, '.', n)) {
            copy(c->driver_version, sizeof(c->driver_version), (slice){at + 1, n});
            return;
        }
    }
}

static void read_modules(gpuc__collect *c, section s)
{
    slice line;

    c->modules_known = s.whole && s.status == 0;
    while (next_line(&s.body, &line)) {
        c->module_nvidia = c->module_nvidia || starts(line, "nvidia ");
        c->module_uvm = c->module_uvm || starts(line, "nvidia_uvm ");
        c->module_nouveau = c->module_nouveau || starts(line, "nouveau ");
    }
}

static void read_nodes(gpuc__collect *c, section s)
{
    slice line;

    c->nodes_known = s.whole;
    while (next_line(&s.body, &line)) {
        char text[64];

        copy(text, sizeof(text), line);
        if (strcmp(text, "/dev/nvidiactl") == 0)
            c->node_ctl = true;
        else if (strcmp(text, "/dev/nvidia-uvm") == 0)
            c->node_uvm = true;
        else if (strncmp(text, "/dev/nvidia", 11) == 0 && isdigit((unsigned char)text[11]) &&
                 strspn(text + 11, "0123456789") == strlen(text + 11) &&
                 c->node_gpus < GPUC__COLLECT_NODES_MAX)
            c->node_gpus++;
    }
}

static void read_modinfo(gpuc__collect *c, section s)
{
    slice line;

    if (s.whole && next_line(&s.body, &line) && line.length && isdigit((unsigned char)*line.at))
        copy(c->modinfo_version, sizeof(c->modinfo_version), line);
}

static int read_smi(gpuc__collect *c, section s, section errors, gpuc_error **err)
{
    slice rest = s.body, line;
    gpuc_error *why = NULL;
    int rc;

    c->smi_started = s.begun;
    c->smi_status = s.whole ? s.status : -1;
    copy(c->smi_stderr, sizeof(c->smi_stderr), errors.begun ? errors.body : (slice){"", 0});
    while (!c->smi_line[0] && next_line(&rest, &line))
        copy(c->smi_line, sizeof(c->smi_line), line);
    if (!s.begun)
        return GPUC_OK;
    rc = gpuc__smi_parse(&c->smi, s.body.at, s.body.length, &why);
    if (rc == GPUC_ENOMEM) {
        gpuc_error_unref(why);
        return gpuc__error_nomem(err);
    }
    if (rc) {
        const char *message = gpuc_error_message(why);

        copy(c->smi_error, sizeof(c->smi_error), (slice){message, strlen(message)});
    } else if (c->smi->simulated) {
        c->simulated = true;
    }
    gpuc_error_unref(why);
    return GPUC_OK;
}

/* What nvidia-smi says of the driver, where the chain begins. */
static void sum_up_smi(gpuc__collect *c)
{
    c->chain.smi_known = c->smi_started;
    c->chain.smi_status = c->smi_status;
    c->chain.smi_read = c->smi != NULL;
    c->chain.smi_gpus = c->smi ? c->smi->gpu_count : 0;
    for (size_t i = 0; i < c->chain.smi_gpus; i++) {
        size_t slices = c->smi->gpus[i].mig_devices;

        c->chain.mig = c->chain.mig || slices;
        c->chain.slices += slices ? slices : 1;
    }
    snprintf(c->chain.smi_line, sizeof(c->chain.smi_line), "%s",
             c->smi_status != 0 && c->smi_line[0] ? c->smi_line : c->smi_error);
}

int gpuc__collect_parse(gpuc__collect **out, const char *nonce, const char *bytes, size_t length,
                        gpuc_error **err)
{
    static const char *const names[] = {"facts",   "pci",   "version", "modules",
                                        "modinfo", "nodes", "smi",     "smi_errors",
                                        "chain"};
    section s[sizeof(names) / sizeof(names[0])];
    slice all = {bytes, length};
    gpuc__collect *c;
    char mark[128];
    bool any = false;
    int rc;

    GPUC__CHECK_ARG(err, nonce && nonce_ok(nonce));
    if (length > GPUC__COLLECT_OUTPUT_MAX)
        return gpuc__error_set(err, GPUC_ELIMIT, GPUC_DOMAIN_GPU,
                               "the machine answered %zu bytes; at most %u are read", length,
                               GPUC__COLLECT_OUTPUT_MAX);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        s[i] = find_section(all, nonce, names[i]);
        any = any || s[i].begun;
    }
    if (!any) {
        rc = gpuc__error_set(err, GPUC_EPROTO, GPUC_DOMAIN_GPU,
                             "the machine's answer has none of the sections asked for");
        gpuc__error_evidence(err, bytes, length < 512 ? length : 512);
        gpuc__error_remedy(err, "see whether \"sudo sh\" works on the machine and /bin/sh is a "
                                "POSIX shell");
        return rc;
    }
    c = gpuc__calloc(1, sizeof(*c));
    if (!c)
        return gpuc__error_nomem(err);
    snprintf(mark, sizeof(mark), "\n==%s done", nonce);
    c->complete = memmem(bytes, length, mark, strlen(mark)) != NULL;
    read_facts(c, s[0]);
    read_version(c, s[2]);
    read_modules(c, s[3]);
    read_modinfo(c, s[4]);
    read_nodes(c, s[5]);
    gpuc__collect_read_chain(&c->chain, s[8].body.at, s[8].body.length, s[8].whole);
    rc = read_pci(c, s[1], err);
    if (rc == GPUC_OK)
        rc = read_smi(c, s[6], s[7], err);
    if (rc) {
        gpuc__collect_free(c);
        return rc;
    }
    sum_up_smi(c);
    *out = c;
    return GPUC_OK;
}

void gpuc__collect_free(gpuc__collect *collect)
{
    if (collect) {
        gpuc__smi_free(collect->smi);
        gpuc__free(collect->pci);
        gpuc__free(collect);
    }
}

bool gpuc__pci_is_gpu(const gpuc__pci_device *device)
{
    unsigned kind = device->pci_class >> 8;

    return device->vendor == 0x10de && (kind == 0x0300 || kind == 0x0302);
}

size_t gpuc__collect_pci_gpus(const gpuc__collect *collect)
{
    size_t n = 0;

    for (size_t i = 0; i < collect->pci_count; i++)
        n += gpuc__pci_is_gpu(&collect->pci[i]);
    return n;
}
