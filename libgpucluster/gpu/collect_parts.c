/* SPDX-License-Identifier: Apache-2.0 */
/* The readers of what a look at a machine collects beside nvidia-smi's document. */
#include "gpu/collect_parts.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gpu/smi_text.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/number.h"

int gpuc__pci_width(const char *text)
{
    long width = strtol(text, NULL, 10);

    return width > 0 && width <= 64 ? (int)width : 0; /* a link that is down says 0 or 63 */
}

double gpuc__pci_speed(const char *text)
{
    double speed = isdigit((unsigned char)text[0]) ? gpuc__strtod(text, NULL) : 0;

    return speed > 0 && speed < 1000 ? speed : 0;
}

/* "/usr/lib/x86_64-linux-gnu/libcuda.so.535.261.03" */
static void version_of(char *out, size_t size, gpuc__slice body, const char *library)
{
    char path[256], *suffix;

    if (!gpuc__slice_value(path, sizeof(path), body, library))
        return;
    suffix = strstr(path, ".so.");
    if (suffix && isdigit((unsigned char)suffix[4]) && strchr(suffix + 4, '.'))
        snprintf(out, size, "%s", suffix + 4);
}

/* The first word with a digit and a point in it: "Fabric Manager version is : 535.161.08". */
static void first_version(char *out, size_t size, const char *text)
{
    for (const char *p = text; *p;) {
        size_t n = strcspn(p, " ");

        if (isdigit((unsigned char)*p) && memchr(p, '.', n)) {
            snprintf(out, size, "%.*s", (int)n, p);
            return;
        }
        p += n;
        p += strspn(p, " ");
    }
}

static void read_fabric_manager(gpuc__collect *c, gpuc__section s)
{
    char text[256];

    if (gpuc__slice_value(text, sizeof(text), s.body, "state="))
        snprintf(c->fm_state, sizeof(c->fm_state), "%.23s", text);
    if (gpuc__slice_value(text, sizeof(text), s.body, "version="))
        first_version(c->fm_version, sizeof(c->fm_version), text);
}

static void read_secure_boot(gpuc__collect *c, gpuc__section s)
{
    char text[16];

    c->no_efi = s.whole && gpuc__slice_value(text, sizeof(text), s.body, "no_efi=");
    if (s.whole && gpuc__slice_value(text, sizeof(text), s.body, "secure_boot=") &&
        (strcmp(text, "0") == 0 || strcmp(text, "1") == 0))
        c->secure_boot = text[0] == '1';
}

static int read_kernel_log(gpuc__collect *c, gpuc__section s, gpuc__rules *given, gpuc_error **err)
{
    gpuc__slice line = {"", 0};
    gpuc__rules *rules = NULL;
    int rc;

    if (!s.whole || s.status != 0 || !gpuc__slice_line(&s.body, &line) ||
        !gpuc__slice_starts(line, "source="))
        return GPUC_OK;
    rc = gpuc__rules_take(&rules, given, err);
    if (rc)
        return rc;
    rc = gpuc__klog_parse(&c->klog, rules->xids, s.body.at, s.body.length, err);
    gpuc__rules_unref(rules);
    gpuc__slice_copy(c->klog_source, sizeof(c->klog_source),
                     (gpuc__slice){line.at + 7, line.length - 7});
    return rc;
}

static int read_links(gpuc__collect *c, gpuc__section s, gpuc_error **err)
{
    gpuc__smi_text text;
    bool links = false;
    int rc;

    if (!s.whole || s.status != 0)
        return GPUC_OK;
    rc = gpuc__smi_text_init(&text, s.body.at, s.body.length, err);
    if (rc)
        return rc;
    c->links = gpuc__calloc(1, sizeof(*c->links));
    if (c->links && gpuc__smi_is_list(&text))
        gpuc__smi_read_list(c->links, &text, &links);
    rc = !c->links || text.no_memory ? gpuc__error_nomem(err) : GPUC_OK;
    gpuc__smi_text_clear(&text);
    return rc;
}

static void uuid_of(char out[64], const char *line)
{
    const char *at = strstr(line, "(UUID: ");
    size_t n = at ? strcspn(at + 7, ")") : 0;

    snprintf(out, 64, "%.*s", n < 64 ? (int)n : 0, at ? at + 7 : "");
}

/* "	 Link 3: Replay Errors: 0": for each GPU the link with most errors. */
static int read_link_errors(gpuc__collect *c, gpuc__section s, gpuc_error **err)
{
    char uuid[64] = "", text[256];
    gpuc__slice line;
    long link, last = -1;
    double sum = 0;

    if (!s.whole || s.status != 0)
        return GPUC_OK;
    c->link_errors = json_object();
    while (c->link_errors && gpuc__slice_line(&s.body, &line)) {
        const char *errors;
        char *end;

        gpuc__slice_copy(text, sizeof(text), line);
        if (strncmp(text, "GPU ", 4) == 0) {
            uuid_of(uuid, text);
            last = -1;
            continue;
        }
        errors = strstr(text, "Errors:");
        if (strncmp(text, "Link ", 5) != 0 || !errors || !uuid[0])
            continue;
        link = strtol(text + 5, &end, 10);
        sum = link == last ? sum + gpuc__strtod(errors + 7, NULL) : gpuc__strtod(errors + 7, NULL);
        last = link;
        if (isfinite(sum) && sum >= json_number_value(json_object_get(c->link_errors, uuid)) &&
            json_object_set_new_nocheck(c->link_errors, uuid, json_real(sum)) < 0)
            return gpuc__error_nomem(err);
    }
    return c->link_errors ? GPUC_OK : gpuc__error_nomem(err);
}

int gpuc__collect_parts(gpuc__collect *c, gpuc__slice all, const char *nonce,
                        gpuc__rules *rules, gpuc_error **err)
{
    gpuc__section libraries = gpuc__section_find(all, nonce, "libraries");
    int rc;

    version_of(c->nvml_version, sizeof(c->nvml_version), libraries.body, "libnvidia-ml.so.1 ");
    version_of(c->cuda_version, sizeof(c->cuda_version), libraries.body, "libcuda.so.1 ");
    read_secure_boot(c, gpuc__section_find(all, nonce, "secure_boot"));
    read_fabric_manager(c, gpuc__section_find(all, nonce, "fabric_manager"));
    rc = read_kernel_log(c, gpuc__section_find(all, nonce, "kernel_log"), rules, err);
    if (!rc)
        rc = read_links(c, gpuc__section_find(all, nonce, "nvlinks"), err);
    if (!rc)
        rc = read_link_errors(c, gpuc__section_find(all, nonce, "nvlink_errors"), err);
    return rc;
}
