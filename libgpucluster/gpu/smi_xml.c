/* SPDX-License-Identifier: Apache-2.0 */
/* The reader of `nvidia-smi -q -x`, on libxml2's SAX events: no tree, no DTD, no entities. */
#include "gpu/smi_xml.h"

#include <libxml/parser.h>
#include <libxml/parserInternals.h>
#include <libxml/xmlerror.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gpu/smi_fields.h"
#include "util/alloc.h"
#include "util/buf.h"
#include "util/error.h"
#include "util/utf8.h"

#define ROOT "nvidia_smi_log"
#define PATH_MAX_BYTES 512
#define MIG_DEVICE "mig_devices/mig_device"
#define PART_DEPTH 4 /* of a MIG device and of a process */
#define TEXT_KEPT 512 /* of one element, before it is read as a value */
#define ATTRIBUTES_MAX 64 /* of an element; those of the real one have one at most */

/* Containers of running processes; the second one is of drivers before 319. */
static const char *const process_lists[] = {"processes", "compute_processes"};

typedef struct reader {
    gpuc__smi *smi;
    xmlParserCtxt *parser;
    char path[PATH_MAX_BYTES]; /* of the open element, below the root */
    size_t path_length;
    int depth;
    gpuc__smi_rows rows[GPUC__SMI_DEPTH_MAX + 1]; /* of the GPU's or MIG device's names, by depth */
    size_t lengths[GPUC__SMI_DEPTH_MAX + 1];      /* of the path above, by depth */
    char text[TEXT_KEPT]; /* of the open element, since its last child */
    size_t text_length;
    bool has_child; /* the element that ends had one: its text is only white space between */
    gpuc__smi_gpu *gpu;         /* open */
    gpuc__smi_process *process; /* open; points to scratch */
    gpuc__smi_process scratch;
    gpuc__smi_mig *mig; /* open; NULL: none, or one too many */
    bool root_seen, done, no_memory;
    const char *limit; /* the bound that was passed */
    bool hostile;      /* it brings declarations */
} reader;

static void stop(reader *r)
{
    xmlStopParser(r->parser);
}

/* path below "gpu", or NULL when the open element is not below one. */
static const char *gpu_path(const reader *r)
{
    return r->gpu && r->path_length > 4 ? r->path + 4 : NULL;
}

/* The rest of path behind the process list and the slash, or NULL; "" is the list itself. */
static const char *process_path(const char *path)
{
    for (size_t i = 0; i < sizeof(process_lists) / sizeof(process_lists[0]); i++) {
        size_t n = strlen(process_lists[i]);

        if (path[0] == process_lists[i][0] && strncmp(path, process_lists[i], n) == 0 && (path[n] == '\0' || path[n] == '/'))
            return path + n + (path[n] == '/');
    }
    return NULL;
}

static void no_memory(reader *r)
{
    r->no_memory = true;
    stop(r);
}

static void open_gpu(reader *r, const xmlChar **attributes)
{
    char id[64] = "";

    if (r->smi->gpu_count == GPUC__SMI_GPUS_MAX) {
        r->limit = "number of GPUs";
        stop(r);
        return;
    }
    r->gpu = gpuc__smi_add_gpu(r->smi);
    if (!r->gpu) {
        no_memory(r);
        return;
    }
    for (const xmlChar **a = attributes; a && a[0]; a += 2) { /* name, value */
        if (strcmp((const char *)a[0], "id") == 0 && strlen((const char *)a[1]) < sizeof(id))
            snprintf(id, sizeof(id), "%s", (const char *)a[1]);
    }
    gpuc__bus_id_normalise(r->gpu->bus, id);
}

/* path is below the open GPU. */
static void open_part(reader *r, const char *path, const char *name, size_t length)
{
    gpuc__smi_table table = r->mig ? GPUC__SMI_MIG_PATHS : GPUC__SMI_GPU_PATHS;

    const char *below;

    r->rows[r->depth] = gpuc__smi_rows_enter(table, r->rows[r->depth - 1], name, length);
    if (r->depth != PART_DEPTH)
        return;
    if (strcmp(path, MIG_DEVICE) == 0) {
        if (!gpuc__smi_add_mig(r->gpu, &r->mig))
            no_memory(r);
        r->rows[r->depth] = gpuc__smi_rows_all(GPUC__SMI_MIG_PATHS);
    }
    below = process_path(path);
    if (below && strcmp(below, "process_info") == 0) {
        memset(&r->scratch, 0, sizeof(r->scratch));
        r->scratch.pid = r->scratch.gpu_instance = r->scratch.compute_instance = -1;
        r->process = &r->scratch;
    }
}

static void on_start(void *data, const xmlChar *name, const xmlChar **attributes)
{
    reader *r = data;
    size_t length = strlen((const char *)name);
    const char *below;

    if (++r->depth > GPUC__SMI_DEPTH_MAX || r->path_length + length + 2 > sizeof(r->path)) {
        r->limit = "depth of elements";
        stop(r);
        return;
    }
    r->text_length = 0;
    r->has_child = false;
    if (r->depth == 1) {
        r->root_seen = strcmp((const char *)name, ROOT) == 0;
        if (!r->root_seen)
            stop(r);
        return;
    }
    r->lengths[r->depth] = r->path_length;
    if (r->path_length)
        r->path[r->path_length++] = '/';
    memcpy(r->path + r->path_length, name, length + 1);
    r->path_length += length;
    if (r->depth == 2 && strcmp(r->path, "gpu") == 0) {
        r->rows[r->depth] = gpuc__smi_rows_all(GPUC__SMI_GPU_PATHS);
        open_gpu(r, attributes);
        return;
    }
    below = gpu_path(r);
    if (below)
        open_part(r, below, (const char *)name, length);
}

static void on_text(void *data, const xmlChar *text, int length)
{
    reader *r = data;
    size_t room = sizeof(r->text) - 1 - r->text_length;
    size_t n = (size_t)length < room ? (size_t)length : room;

    memcpy(r->text + r->text_length, text, n);
    r->text_length += n;
}

static long instance_of(const char *text)
{
    gpuc__smi_value value;

    gpuc__smi_value_read(&value, GPUC__SMI_KIND_COUNT, text);
    return value.has_number && value.number >= 0 ? (long)value.number : -1;
}

static void process_element(reader *r, const char *name)
{
    gpuc__smi_process *p = r->process;

    if (strcmp(name, "used_memory") == 0) {
        gpuc__smi_value_read(&p->memory, GPUC__SMI_KIND_MIB, r->text);
    } else if (strcmp(name, "pid") == 0) {
        p->pid = instance_of(r->text);
    } else if (strcmp(name, "gpu_instance_id") == 0) {
        p->gpu_instance = instance_of(r->text);
    } else if (strcmp(name, "compute_instance_id") == 0) {
        p->compute_instance = instance_of(r->text);
    } else if (strcmp(name, "type") == 0) {
        snprintf(p->type, sizeof(p->type), "%.*s", (int)sizeof(p->type) - 1, r->text);
    } else if (strcmp(name, "process_name") == 0) {
        snprintf(p->name, sizeof(p->name), "%.*s", (int)sizeof(p->name) - 1, r->text);
    }
}

/* Elements of the process list; false: the path is of another element. */
static bool process_list_element(reader *r, const char *below)
{
    gpuc__smi_value list;

    if (!below)
        return false;
    if (r->process && strncmp(below, "process_info/", 13) == 0) {
        process_element(r, below + 13); /* a program may be called "Unknown Error" */
    } else if (r->process && strcmp(below, "process_info") == 0) {
        r->process = NULL;
        if (!gpuc__smi_add_process(r->gpu, &r->scratch))
            no_memory(r);
    } else if (*below == '\0') {
        gpuc__smi_value_read(&list, GPUC__SMI_KIND_TEXT, r->has_child ? "" : r->text);
        r->gpu->processes_known = !list.text[0] || strcasecmp(list.text, "None") == 0;
        return r->gpu->processes_known;
    }
    return true;
}

/* A MIG device's own elements; false: the path is of another element. */
static bool mig_element(reader *r, const char *path)
{
    size_t length = sizeof(MIG_DEVICE) - 1;
    int field;

    if (path[0] != MIG_DEVICE[0] || strncmp(path, MIG_DEVICE, length) != 0)
        return false;
    if (path[length] == '\0')
        r->mig = NULL;
    if (path[length] != '/' || !r->mig || r->has_child)
        return path[length] == '\0' || path[length] == '/';
    field = gpuc__smi_rows_field(GPUC__SMI_MIG_PATHS, r->rows[r->depth + 1]);
    if (field >= 0)
        gpuc__smi_value_take(&r->mig->field[field], gpuc__smi_mig_fields[field].kind, r->text);
    gpuc__smi_note_sickness(r->gpu, path, r->text);
    return true;
}

static void gpu_element(reader *r, const char *path)
{
    int field;

    gpuc__smi_rows rows = r->rows[r->depth + 1];

    /* Most elements are numbers that nobody asks for: the clocks that could be set. */
    if (rows.low == rows.high && !r->process && r->text[0] >= '0' && r->text[0] <= '9')
        return;
    if ((r->depth <= PART_DEPTH && process_list_element(r, process_path(path))) || mig_element(r, path) || r->has_child)
        return;
    gpuc__smi_note_sickness(r->gpu, path, r->text);
    field = gpuc__smi_rows_field(GPUC__SMI_GPU_PATHS, rows);
    if (field >= 0) {
        gpuc__smi_value_take(&r->gpu->field[field], gpuc__smi_gpu_fields[field].kind, r->text);
    } else if (gpuc__smi_may_be_word(r->text)) {
        gpuc__smi_value word;

        gpuc__smi_value_read(&word, GPUC__SMI_KIND_TEXT, r->text);
        if (word.state != GPUC__SMI_KNOWN)
            gpuc__smi_fields_below(r->gpu->field, GPUC__SMI_GPU_PATHS, path, word.state);
    }
}

static void close_gpu(reader *r)
{
    gpuc__smi_value *bus = &r->gpu->field[GPUC__SMI_PCI_BUS_ID];

    if (!r->gpu->bus[0])
        gpuc__bus_id_normalise(r->gpu->bus, bus->text);
    r->mig = NULL;
    r->gpu = NULL;
}

static void on_end(void *data, const xmlChar *name)
{
    reader *r = data;
    const char *path;
    int field;

    r->text[r->text_length] = '\0';
    if (--r->depth == 0) {
        r->done = true;
        return;
    }
    path = gpu_path(r);
    field = path ? -1 : gpuc__smi_field_of(GPUC__SMI_LOG_PATHS, r->path);
    if (path)
        gpu_element(r, path);
    else if (r->gpu)
        close_gpu(r);
    else if (field >= 0 && !r->has_child)
        gpuc__smi_value_take(&r->smi->field[field], gpuc__smi_log_fields[field].kind, r->text);
    r->path_length = r->lengths[r->depth + 1];
    r->path[r->path_length] = '\0';
    r->text_length = 0;
    r->has_child = true; /* of the parent, which is what ends next unless another child comes */
}

static void on_comment(void *data, const xmlChar *text)
{
    reader *r = data;

    if (strstr((const char *)text, "SIMULATED"))
        r->smi->simulated = true;
}

/* What stands in the brackets of a DOCTYPE: entities that grow, and lists that libxml2 takes long for. */
static void on_doctype(void *data, const xmlChar *name, const xmlChar *public_id,
                       const xmlChar *system_id)
{
    reader *r = data;

    r->hostile = *r->parser->input->cur == '[';
    if (r->hostile)
        stop(r);
}

/* Bytes of the UTF-8 sequence at text, 0 when it is none, or not a character that XML allows. */
static size_t utf8_length(const char *text, size_t left)
{
    uint32_t c;
    size_t n = gpuc__utf8_length(&c, text, left);

    return n && c != 0xfffe && c != 0xffff ? n : 0;
}

/* A reference that XML knows without a declaration. */
static bool is_reference(const char *at, size_t left)
{
    static const char *const known[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&apos;", "&#"};

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (left >= strlen(known[i]) && strncmp(at, known[i], strlen(known[i])) == 0)
            return true;
    }
    return false;
}

/* 1: a byte that needs a look. Written without branches, so that compilers do many at once. */
static unsigned odd(unsigned char c)
{
    return (unsigned)(c == '&') | (unsigned)(c > 0x7e) |
           ((unsigned)(c < ' ') & (unsigned)(c != '\n') & (unsigned)(c != '\t') &
            (unsigned)(c != '\r'));
}

/* Bytes from `at` on that need no look: nearly all there are. */
static size_t plain_length(const char *at, size_t left)
{
    size_t n = 0;

    for (unsigned bad = 0; left - n >= 64; n += 64) {
        for (size_t i = 0; i < 64; i++)
            bad |= odd((unsigned char)at[n + i]);
        if (bad)
            break;
    }
    while (n < left && !odd((unsigned char)at[n]))
        n++;
    return n;
}

/* Process names are whatever bytes a program chose, and nvidia-smi does not always escape them. */
static bool clean(gpuc__buf *out, const char *bytes, size_t length)
{
    for (size_t i = 0; i < length && !out->failed;) {
        size_t n = plain_length(bytes + i, length - i);

        gpuc__buf_add(out, bytes + i, n);
        i += n;
        if (i == length)
            break;
        n = utf8_length(bytes + i, length - i);
        if (bytes[i] == '&')
            gpuc__buf_puts(out, is_reference(bytes + i, length - i) ? "&" : "&amp;");
        else if (n)
            gpuc__buf_add(out, bytes + i, n);
        else
            gpuc__buf_putc(out, '?');
        i += n ? n : 1;
    }
    return !out->failed;
}

/* Whether one tag may have more attributes than that, each of which libxml2 compares with all before
 * it. Between them stands no '<', and each has its '=' and a quote. */
static bool is_crowded(const char *text, size_t length)
{
    const char *at = text, *end = text + length, *last = text;

    for (size_t n = 0; (at = memchr(at, '=', (size_t)(end - at))); at++) {
        const char *value = at + 1;

        while (value < end && memchr(" \t\r\n", *value, 4))
            value++;
        if (value == end || (*value != '"' && *value != '\''))
            continue;
        n = memchr(last, '<', (size_t)(at - last)) ? 1 : n + 1;
        last = at;
        if (n > ATTRIBUTES_MAX)
            return true;
    }
    return false;
}

/* Where the document begins: its declaration, else its DOCTYPE, comment or root. */
static size_t find_start(const char *bytes, size_t length)
{
    static const char *const marks[] = {"<?xml", "<!DOCTYPE", "<!--", "<" ROOT};

    for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
        const char *at = memmem(bytes, length, marks[i], strlen(marks[i]));

        if (at)
            return (size_t)(at - bytes);
    }
    return length;
}

static int explain(reader *r, const char *first, size_t first_length, gpuc_error **err)
{
    const xmlError *native = xmlCtxtGetLastError(r->parser);
    char why[160] = "the document ends too early";
    int line = native ? native->line : 0, code = GPUC_EPROTO;

    if (r->no_memory || (native && native->code == XML_ERR_NO_MEMORY))
        return gpuc__error_nomem(err);
    if (r->limit) {
        code = GPUC_ELIMIT;
        gpuc__error_set(err, code, GPUC_DOMAIN_GPU,
                        "nvidia-smi's XML passes the bound on the %s", r->limit);
    } else if (r->hostile) {
        gpuc__error_set(err, code, GPUC_DOMAIN_GPU,
                        "nvidia-smi's XML has declarations in its DOCTYPE, as the real one never has");
    } else if (!r->root_seen) {
        gpuc__error_set(err, code, GPUC_DOMAIN_GPU,
                        "what nvidia-smi printed is not its XML (no element %s)", ROOT);
    } else {
        if (native && native->message)
            snprintf(why, sizeof(why), "%.*s", (int)strcspn(native->message, "\n"),
                     native->message);
        gpuc__error_set(err, code, GPUC_DOMAIN_GPU, "nvidia-smi's XML is damaged at line %d: %s",
                        line, why);
    }
    gpuc__error_evidence(err, first, first_length < 512 ? first_length : 512);
    gpuc__error_remedy(err, "run \"nvidia-smi -q -x\" on the machine and look at what it prints");
    return code;
}

static int read_document(reader *r, const char *text, size_t length, gpuc_error **err)
{
    xmlSAXHandler sax;

    memset(&sax, 0, sizeof(sax));
    sax.initialized = 1; /* elements without namespaces: those of SAX2 cost half as much again */
    sax.startElement = on_start;
    sax.endElement = on_end;
    sax.characters = on_text;
    sax.ignorableWhitespace = on_text; /* the same, so that libxml2 need not tell them apart */
    sax.cdataBlock = on_text;
    sax.comment = on_comment;
    sax.internalSubset = on_doctype;
    if (is_crowded(text, length))
        r->limit = "number of attributes of an element";
    if (!length || r->limit)
        return explain(r, text, length, err);
    r->parser = xmlCreateMemoryParserCtxt(text, (int)length);
    if (!r->parser)
        return gpuc__error_nomem(err);
    *r->parser->sax = sax;
    r->parser->userData = r;
    xmlCtxtUseOptions(r->parser, XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    xmlParseDocument(r->parser);
    if (r->done && !r->no_memory && !r->limit && !r->hostile)
        return GPUC_OK;
    return explain(r, text, length, err);
}

static void reader_free(reader *r)
{
    if (r && r->parser) {
        xmlFreeDoc(r->parser->myDoc); /* libxml2 makes one of its own for a DOCTYPE */
        xmlFreeParserCtxt(r->parser);
    }
    if (r)
        gpuc__smi_free(r->smi);
    gpuc__free(r);
}

/* What came before damage is taken; what is no damage goes to err. */
static int accept_damage(const reader *r, int rc, gpuc_error **damage, gpuc_error **err)
{
    if (rc == GPUC_EPROTO && r->root_seen && !r->hostile)
        return GPUC_OK;
    if (rc < 0 && *damage) {
        if (err && !*err)
            *err = gpuc_error_ref(*damage);
        *damage = gpuc_error_unref(*damage);
    }
    return rc;
}

/* damage NULL: a document that is cut or broken is refused. */
static int parse(gpuc__smi **out, gpuc_error **damage, const char *bytes, size_t length,
                 gpuc_error **err)
{
    gpuc__buf text = GPUC__BUF_INIT(2 * GPUC__SMI_INPUT_MAX);
    reader *r = NULL;
    size_t start;
    int rc;

    if (length > GPUC__SMI_INPUT_MAX) {
        return gpuc__error_set(err, GPUC_ELIMIT, GPUC_DOMAIN_GPU,
                               "nvidia-smi printed %zu bytes; at most %u are read", length,
                               GPUC__SMI_INPUT_MAX);
    }
    start = find_start(bytes, length);
    bytes += start;
    length -= start;
    r = gpuc__calloc(1, sizeof(*r));
    if (!r || !(r->smi = gpuc__calloc(1, sizeof(*r->smi)))) {
        rc = gpuc__error_nomem(err);
    } else if (plain_length(bytes, length) == length) {
        rc = read_document(r, bytes, length, damage ? damage : err);
    } else if (clean(&text, bytes, length)) {
        rc = read_document(r, gpuc__buf_text(&text), text.length, damage ? damage : err);
    } else {
        rc = gpuc__error_nomem(err);
    }
    if (damage)
        rc = accept_damage(r, rc, damage, err);
    if (rc == GPUC_OK) {
        *out = r->smi;
        r->smi = NULL;
    }
    reader_free(r);
    gpuc__buf_clear(&text);
    return rc;
}

int gpuc__smi_parse(gpuc__smi **out, const char *bytes, size_t length, gpuc_error **err)
{
    return parse(out, NULL, bytes, length, err);
}

int gpuc__smi_parse_damaged(gpuc__smi **out, gpuc_error **damage, const char *bytes, size_t length,
                            gpuc_error **err)
{
    *damage = NULL;
    return parse(out, damage, bytes, length, err);
}
