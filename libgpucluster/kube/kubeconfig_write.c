/* SPDX-License-Identifier: Apache-2.0 */
/* Writing a kubeconfig, and merging one cluster into a file that others wrote: only the bytes of
 * our own entries change, and the result is read back and compared before it is given out. */
#include <openssl/evp.h>
#include <string.h>

#include "kube/kubeconfig.h"
#include "kube/yaml_tree.h"
#include "util/alloc.h"
#include "util/buf.h"
#include "util/error.h"

#define OUT_MAX (2 * GPUC__YAML_MAX_BYTES)
#define FIELDS_MAX 4
#define ALL_PARTS (GPUC__KUBECONFIG_CLUSTER | GPUC__KUBECONFIG_USER | GPUC__KUBECONFIG_CONTEXT)

typedef struct entry {
    const char *list, *inner, *name; /* "clusters", "cluster", its name */
    struct {
        const char *key;
        const char *value; /* NULL: left out */
    } fields[FIELDS_MAX];
} entry;

typedef struct encoded {
    char *ca, *cert, *key; /* base64 */
} encoded;

static void encoded_clear(encoded *e)
{
    gpuc__free(e->ca);
    gpuc__free(e->cert);
    gpuc__free_secret(e->key);
}

char *gpuc__kubeconfig_base64(const char *text)
{
    size_t length = strlen(text);
    char *base64 = gpuc__malloc(4 * ((length + 2) / 3) + 1);

    if (base64)
        EVP_EncodeBlock((unsigned char *)base64, (const unsigned char *)text, (int)length);
    return base64;
}

static int encode(char **out, const char *text, gpuc_error **err)
{
    size_t length = text ? strlen(text) : 0;
    char *base64;

    if (!text)
        return GPUC_OK;
    if (length > 1024 * 1024)
        return gpuc__error_set(err, GPUC_ELIMIT, GPUC_DOMAIN_KUBERNETES,
                               "a certificate or key of more than 1 MiB");
    base64 = gpuc__kubeconfig_base64(text);
    if (!base64)
        return gpuc__error_nomem(err);
    *out = base64;
    return GPUC_OK;
}

/* The three entries of a cluster; they borrow from config and from data, filled here. */
static int make_entries(entry entries[3], encoded *data, const gpuc__kubeconfig *c,
                        gpuc_error **err)
{
    const char *cluster = c->cluster ? c->cluster : c->context;
    const char *user = c->user ? c->user : c->context;
    int rc = encode(&data->ca, c->ca_pem, err);

    if (rc == GPUC_OK)
        rc = encode(&data->cert, c->cert_pem, err);
    if (rc == GPUC_OK)
        rc = encode(&data->key, c->key_pem, err);
    if (rc != GPUC_OK)
        return rc;
    entries[0] = (entry){"clusters", "cluster", cluster,
                         {{"certificate-authority-data", data->ca},
                          {"server", c->server},
                          {"tls-server-name", c->tls_server_name}}};
    entries[1] = (entry){"users", "user", user,
                         {{"client-certificate-data", data->cert},
                          {"client-key-data", data->key},
                          {"token", c->token}}};
    entries[2] = (entry){"contexts", "context", c->context,
                         {{"cluster", cluster}, {"user", user}, {"namespace", c->namespace_}}};
    return GPUC_OK;
}

static bool plain_safe(const char *text)
{
    static const char *const words[] = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"};
    static const char chars[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._/+=:@-";
    size_t length = strlen(text);

    if (!length || strspn(text, chars) != length || text[length - 1] == ':' ||
        !strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz/"))
        return false;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcasecmp(text, words[i]) == 0)
            return false;
    }
    return true;
}

static void put_scalar(gpuc__buf *out, const char *text, bool flow)
{
    if (!flow && plain_safe(text)) {
        gpuc__buf_puts(out, text);
        return;
    }
    gpuc__buf_putc(out, '"');
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;

        if (c == '"' || c == '\\')
            gpuc__buf_printf(out, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            gpuc__buf_printf(out, "\\u%04x", c);
        else
            gpuc__buf_putc(out, (char)c);
    }
    gpuc__buf_putc(out, '"');
}

/* The entry as block lines; the first is not indented, the last has no newline. */
static void put_block(gpuc__buf *out, const entry *e, size_t indent)
{
    gpuc__buf_printf(out, "%s:", e->inner);
    for (size_t i = 0, n = 0; i < FIELDS_MAX; i++) {
        n += e->fields[i].value != NULL;
        if (e->fields[i].value) {
            gpuc__buf_printf(out, "\n%*s%s: ", (int)indent + 2, "", e->fields[i].key);
            put_scalar(out, e->fields[i].value, false);
        } else if (i == FIELDS_MAX - 1 && n == 0) {
            gpuc__buf_puts(out, " {}");
        }
    }
    gpuc__buf_printf(out, "\n%*sname: ", (int)indent, "");
    put_scalar(out, e->name, false);
}

static void put_flow(gpuc__buf *out, const entry *e)
{
    const char *comma = "";

    gpuc__buf_printf(out, "{\"%s\": {", e->inner);
    for (size_t i = 0; i < FIELDS_MAX; i++) {
        if (!e->fields[i].value)
            continue;
        gpuc__buf_printf(out, "%s\"%s\": ", comma, e->fields[i].key);
        put_scalar(out, e->fields[i].value, true);
        comma = ", ";
    }
    gpuc__buf_puts(out, "}, \"name\": ");
    put_scalar(out, e->name, true);
    gpuc__buf_putc(out, '}');
}

static void put_document(gpuc__buf *out, const entry entries[3], const char *context,
                         unsigned parts)
{
    gpuc__buf_puts(out, "apiVersion: v1\nkind: Config\n");
    for (size_t i = 0; i < 3; i++) {
        if (!(parts & 1u << i))
            continue;
        gpuc__buf_printf(out, "%s:\n- ", entries[i].list);
        put_block(out, &entries[i], 2);
        gpuc__buf_putc(out, '\n');
    }
    if (context) {
        gpuc__buf_puts(out, "current-context: ");
        put_scalar(out, context, false);
        gpuc__buf_putc(out, '\n');
    }
    gpuc__buf_puts(out, "preferences: {}\n");
}

/* ---- merging ---- */

#define EDITS_MAX 8

typedef struct edit {
    size_t start, end;
    gpuc__buf text;
} edit;

typedef struct merge {
    const char *text, *filename;
    size_t length;
    const gpuc__yaml_node *root;
    edit edits[EDITS_MAX];
    size_t count;
    gpuc__buf tail; /* what is added at the end of the root mapping */
    unsigned parts; /* of the three entries, which */
    gpuc_error **err;
} merge;

static gpuc__buf *add_edit(merge *m, size_t start, size_t end)
{
    edit *e = &m->edits[m->count++];

    e->start = start;
    e->end = end;
    gpuc__buf_init(&e->text, OUT_MAX);
    return &e->text;
}

static size_t line_end(const merge *m, size_t at)
{
    const char *newline = memchr(m->text + at, '\n', m->length - at);
    size_t end = newline ? (size_t)(newline - m->text) : m->length;

    return end > at && m->text[end - 1] == '\r' ? end - 1 : end;
}

static int refuse(const merge *m, const gpuc__yaml_node *node, int code, const char *what,
                  const char *name)
{
    gpuc__error_set(m->err, code, GPUC_DOMAIN_KUBERNETES, "%s:%zu:%zu: %s \"%.200s\"", m->filename,
                    node ? node->line : 1, node ? node->column : 1, what, name);
    gpuc__error_remedy(m->err, "the file was not changed; correct this place, or write the "
                               "kubeconfig to a file of its own and list both in KUBECONFIG");
    return code;
}

/* Ours in the list, or NULL. */
static int find_item(const merge *m, const gpuc__yaml_node *list, const entry *e,
                     const gpuc__yaml_node **out)
{
    *out = NULL;
    for (size_t i = 0; i < list->count; i++) {
        const gpuc__yaml_node *name = gpuc__yaml_get(list->items[i], "name");

        if (!name || name->kind != GPUC__YAML_SCALAR || strcmp(name->text, e->name) != 0)
            continue;
        if (*out)
            return refuse(m, name, GPUC_EINVAL, "a second entry has the name", e->name);
        *out = list->items[i];
    }
    return GPUC_OK;
}

/* A list that is not there, or that is empty in a block document, is written as block. */
static void add_list(merge *m, const gpuc__yaml_node *list, const entry *e)
{
    size_t indent = m->root->column - 1;
    gpuc__buf *out = list ? add_edit(m, list->start, list->end) : &m->tail;

    if (m->root->flow) {
        if (!list)
            gpuc__buf_printf(out, "%s\"%s\": ", m->root->count || m->tail.length ? ", " : "",
                             e->list);
        gpuc__buf_putc(out, '[');
        put_flow(out, e);
        gpuc__buf_putc(out, ']');
        return;
    }
    if (!list)
        gpuc__buf_printf(out, "\n%*s%s:", (int)indent, "", e->list);
    gpuc__buf_printf(out, "\n%*s- ", (int)indent, "");
    put_block(out, e, indent + 2);
}

static int merge_entry(merge *m, const entry *e)
{
    const gpuc__yaml_node *list = gpuc__yaml_get(m->root, e->list), *item = NULL;
    gpuc__buf *out;
    int rc;

    if (list && !list->null && list->kind != GPUC__YAML_SEQUENCE)
        return refuse(m, list, GPUC_EINVAL, "a list was expected as the value of", e->list);
    if (!list || list->count == 0) {
        add_list(m, list, e);
        return GPUC_OK;
    }
    rc = find_item(m, list, e, &item);
    if (rc != GPUC_OK)
        return rc;
    if (item) {
        out = add_edit(m, item->start, item->end);
        if (item->flow)
            put_flow(out, e);
        else
            put_block(out, e, item->column - 1);
    } else if (list->flow) {
        out = add_edit(m, list->items[list->count - 1]->end, list->items[list->count - 1]->end);
        gpuc__buf_puts(out, ", ");
        put_flow(out, e);
    } else {
        size_t at = line_end(m, list->end);

        out = add_edit(m, at, at);
        gpuc__buf_printf(out, "\n%*s- ", (int)list->column - 1, "");
        put_block(out, e, list->column + 1);
    }
    return GPUC_OK;
}

/* set: 0 leave, 1 set, -1 set when there is none. */
static void merge_current(merge *m, const char *context, int set)
{
    const gpuc__yaml_node *node = gpuc__yaml_get(m->root, "current-context");
    bool empty = !node || node->null || (node->kind == GPUC__YAML_SCALAR && !*node->text);
    gpuc__buf *out;

    if (set == 0 || (set < 0 && !empty))
        return;
    if (node) {
        out = add_edit(m, node->start, node->end);
        if (node->start == node->end)
            gpuc__buf_putc(out, ' ');
    } else {
        out = &m->tail;
        if (m->root->flow)
            gpuc__buf_puts(out, ", \"current-context\": ");
        else
            gpuc__buf_printf(out, "\n%*scurrent-context: ", (int)m->root->column - 1, "");
    }
    put_scalar(out, context, m->root->flow);
}

/* Text with the edits in it; equal places keep the order in which they were added. */
static char *apply(merge *m)
{
    gpuc__buf out = GPUC__BUF_INIT(OUT_MAX);
    size_t at = 0;

    for (size_t i = 1; i < m->count; i++) {
        for (size_t j = i; j > 0 && m->edits[j].start < m->edits[j - 1].start; j--) {
            edit swap = m->edits[j];

            m->edits[j] = m->edits[j - 1];
            m->edits[j - 1] = swap;
        }
    }
    for (size_t i = 0; i < m->count; i++) {
        const edit *e = &m->edits[i];

        if (e->start < at || e->text.failed) {
            out.failed = true;
            break;
        }
        gpuc__buf_add(&out, m->text + at, e->start - at);
        gpuc__buf_add(&out, e->text.data, e->text.length);
        at = e->end;
    }
    if (at <= m->length)
        gpuc__buf_add(&out, m->text + at, m->length - at);
    return gpuc__buf_take(&out);
}

/* Every other item of the list, in order, is what it was. */
static bool others_equal(const gpuc__yaml_node *old, const gpuc__yaml_node *new, const char *name)
{
    size_t i = 0, j = 0, n = old ? old->count : 0;

    for (;; i++, j++) {
        const gpuc__yaml_node *key;

        while (i < n && (key = gpuc__yaml_get(old->items[i], "name")) && key->text &&
               strcmp(key->text, name) == 0)
            i++;
        while (j < new->count && (key = gpuc__yaml_get(new->items[j], "name")) && key->text &&
               strcmp(key->text, name) == 0)
            j++;
        if (i >= n || j >= new->count)
            return i >= n && j >= new->count;
        if (!gpuc__yaml_equal(old->items[i], new->items[j]))
            return false;
    }
}

static bool same(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool field_is(const gpuc__yaml_node *value, const char *key, const char *want)
{
    const gpuc__yaml_node *node = gpuc__yaml_get(value, key);

    return !want ? !node : node && node->kind == GPUC__YAML_SCALAR && strcmp(node->text, want) == 0;
}

static bool parts_are_there(const merge *m, const char *text, const entry entries[3])
{
    gpuc__yaml_node *root = NULL;
    bool ok = gpuc__yaml_parse(&root, text, strlen(text), m->filename, NULL) == GPUC_OK;

    for (size_t i = 0; ok && i < 3; i++) {
        const entry *e = &entries[i];
        const gpuc__yaml_node *list = gpuc__yaml_get(root, e->list), *item = NULL;

        if (!(m->parts & 1u << i))
            continue;
        ok = list && find_item(m, list, e, &item) == GPUC_OK && item;
        for (size_t f = 0; ok && f < FIELDS_MAX; f++)
            ok = !e->fields[f].key || field_is(gpuc__yaml_get(item, e->inner), e->fields[f].key,
                                               e->fields[f].value);
    }
    gpuc__yaml_free(root);
    return ok;
}

/* Our context reads back as it was meant; a part of it cannot be read as a whole, but what was
 * written of it is there once. */
static bool ours_is_there(const merge *m, const char *text, const entry entries[3],
                          const gpuc__kubeconfig *want)
{
    gpuc__kubeconfig got = {0};
    bool ok;

    if (m->parts != ALL_PARTS)
        return parts_are_there(m, text, entries);
    ok = gpuc__kubeconfig_parse(&got, text, strlen(text), m->filename, want->context, NULL) ==
                  GPUC_OK &&
              same(got.server, want->server) && same(got.ca_pem, want->ca_pem) &&
              same(got.cert_pem, want->cert_pem) && same(got.key_pem, want->key_pem) &&
              same(got.token, want->token) && same(got.cluster, entries[0].name) &&
              same(got.user, entries[1].name) && same(got.tls_server_name, want->tls_server_name);

    gpuc__kubeconfig_clear(&got);
    return ok;
}

/* What stands under one key of the root before and after; our own entries aside. */
static bool key_is_kept(const char *key, const gpuc__yaml_node *old, const gpuc__yaml_node *new,
                        const entry entries[3], unsigned parts)
{
    if (strcmp(key, "current-context") == 0)
        return true;
    for (size_t i = 0; i < 3; i++) {
        if (parts & 1u << i && strcmp(key, entries[i].list) == 0)
            return new && new->kind == GPUC__YAML_SEQUENCE &&
                   others_equal(old, new, entries[i].name);
    }
    return gpuc__yaml_equal(old, new);
}

/* Reads the result back: ours as meant, the rest as it was. */
static bool verify(const merge *m, const char *text, const entry entries[3],
                   const gpuc__kubeconfig *want)
{
    gpuc__yaml_node *root = NULL;
    bool ok = ours_is_there(m, text, entries, want) &&
              gpuc__yaml_parse(&root, text, strlen(text), m->filename, NULL) == GPUC_OK;

    for (size_t i = 0; ok && m->root && i + 1 < m->root->count; i += 2) {
        const char *key = m->root->items[i]->text;

        ok = key_is_kept(key, m->root->items[i + 1], gpuc__yaml_get(root, key), entries,
                         m->parts);
    }
    gpuc__yaml_free(root);
    return ok;
}

/* Into `out` the text with our entries; the root is a mapping, or there is none. */
static int merge_text(merge *m, char **out, const entry entries[3], const char *context,
                      int set_current)
{
    size_t at;
    int rc = GPUC_OK;

    if (!m->root || m->root->null) {
        put_document(add_edit(m, m->length, m->length), entries, set_current ? context : NULL,
                     m->parts);
    } else {
        for (size_t i = 0; rc == GPUC_OK && i < 3; i++)
            rc = m->parts & 1u << i ? merge_entry(m, &entries[i]) : GPUC_OK;
        if (rc != GPUC_OK)
            return rc;
        merge_current(m, context, set_current);
        at = m->root->flow ? m->root->end - 1 : line_end(m, m->root->end);
        *add_edit(m, at, at) = m->tail;
        gpuc__buf_init(&m->tail, OUT_MAX);
    }
    *out = apply(m);
    return *out ? GPUC_OK : gpuc__error_nomem(m->err);
}

int gpuc__kubeconfig_merge_part(char **out, const char *text, size_t length, const char *filename,
                                const gpuc__kubeconfig *config, unsigned parts, int set_current,
                                gpuc_error **err)
{
    merge m = {.text = text, .filename = filename ? filename : "kubeconfig", .length = length,
               .tail = GPUC__BUF_INIT(OUT_MAX), .parts = parts, .err = err};
    gpuc__yaml_node *root = NULL;
    entry entries[3];
    encoded data = {0};
    char *result = NULL;
    int rc = gpuc__yaml_parse(&root, text, length, m.filename, err);

    m.root = root;
    if (rc == GPUC_OK && root && !root->null && root->kind != GPUC__YAML_MAPPING)
        rc = refuse(&m, root, GPUC_EINVAL, "not a kubeconfig, cannot add", config->context);
    if (rc == GPUC_OK)
        rc = make_entries(entries, &data, config, err);
    if (rc == GPUC_OK)
        rc = merge_text(&m, &result, entries, config->context, set_current);
    if (rc == GPUC_OK && !verify(&m, result, entries, config))
        rc = refuse(&m, root, GPUC_EUNSUPPORTED,
                    "the file is written in a way that cannot be changed without loss; not added:",
                    config->context);
    if (rc == GPUC_OK) {
        *out = result;
        result = NULL;
    }
    gpuc__free_secret(result);
    encoded_clear(&data);
    for (size_t i = 0; i < m.count; i++)
        gpuc__buf_clear(&m.edits[i].text);
    gpuc__buf_clear(&m.tail);
    gpuc__yaml_free(root);
    return rc;
}

int gpuc__kubeconfig_merge(char **out, const char *text, size_t length, const char *filename,
                           const gpuc__kubeconfig *config, bool set_current, gpuc_error **err)
{
    return gpuc__kubeconfig_merge_part(out, text, length, filename, config, ALL_PARTS,
                                       set_current ? 1 : -1, err);
}

int gpuc__kubeconfig_write(char **out, const gpuc__kubeconfig *config, gpuc_error **err)
{
    return gpuc__kubeconfig_merge(out, "", 0, "kubeconfig", config, true, err);
}
