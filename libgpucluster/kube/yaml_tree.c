/* SPDX-License-Identifier: Apache-2.0 */
/* YAML by libyaml's events into a tree of our own, so that depth and count are bounded while
 * reading and every value keeps its place in the text. */
#include "kube/yaml_tree.h"

#include <string.h>
#include <yaml.h>

#include "util/alloc.h"
#include "util/error.h"
#include "util/yaml.h"

typedef struct reader {
    yaml_parser_t parser;
    yaml_event_t event;
    bool have_event;
    const char *text, *filename;
    size_t length;
    size_t chars, bytes; /* a character index of libyaml and the byte it stands for */
    size_t nodes;
    gpuc__yaml_node *anchors; /* a mapping of names to nodes of the tree; NULL: no aliases are read */
    gpuc_error **err;
} reader;

void gpuc__yaml_free(gpuc__yaml_node *node)
{
    if (!node)
        return;
    for (size_t i = 0; i < node->count; i++)
        gpuc__yaml_free(node->items[i]); /* depth is bounded by GPUC__YAML_MAX_DEPTH */
    gpuc__free(node->items);
    if (node->text)
        gpuc__free_secret(node->text);
    gpuc__free(node);
}

/* libyaml counts characters, we need bytes. Marks come nearly in order, so walking from the last
 * one is cheap; a mark behind it starts over. */
static size_t byte_of(reader *r, size_t index)
{
    if (index < r->chars) {
        r->chars = 0;
        r->bytes = r->length >= 3 && memcmp(r->text, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    }
    while (r->chars < index && r->bytes < r->length) {
        r->bytes++;
        while (r->bytes < r->length && ((unsigned char)r->text[r->bytes] & 0xC0) == 0x80)
            r->bytes++;
        r->chars++;
    }
    return r->bytes;
}

static int fail(reader *r, int code, const yaml_mark_t *mark, const char *what, const char *remedy)
{
    gpuc__error_set(r->err, code, GPUC_DOMAIN_KUBERNETES, "%s:%zu:%zu: %s", r->filename,
                    mark->line + 1, mark->column + 1, what);
    gpuc__error_remedy(r->err, "%s", remedy);
    return code;
}

static int next(reader *r)
{
    const yaml_parser_t *p = &r->parser;
    char what[160];

    if (r->have_event)
        yaml_event_delete(&r->event);
    r->have_event = false;
    if (yaml_parser_parse(&r->parser, &r->event)) {
        r->have_event = true;
        return GPUC_OK;
    }
    if (p->error == YAML_MEMORY_ERROR)
        return gpuc__error_nomem(r->err);
    snprintf(what, sizeof(what), "not YAML: %s%s%s", p->problem ? p->problem : "syntax error",
             p->context ? " " : "", p->context ? p->context : "");
    return fail(r, GPUC_EINVAL, p->error == YAML_READER_ERROR ? &p->mark : &p->problem_mark, what,
                "correct the file at this place; YAML is indented with spaces, never tabs");
}

static bool is_null(const yaml_event_t *event)
{
    static const char *const words[] = {"", "~", "null", "Null", "NULL"};
    const char *text = (const char *)event->data.scalar.value;

    if (event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
        return false;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(text, words[i]) == 0)
            return true;
    }
    return false;
}

static int add_item(reader *r, gpuc__yaml_node *parent, gpuc__yaml_node *item)
{
    if (parent->count == parent->room) {
        size_t room = parent->room ? parent->room * 2 : 8;
        gpuc__yaml_node **items = gpuc__realloc(parent->items, room * sizeof(*items));

        if (!items) {
            gpuc__yaml_free(item);
            return gpuc__error_nomem(r->err);
        }
        parent->items = items;
        parent->room = room;
    }
    parent->items[parent->count++] = item;
    return GPUC_OK;
}

static int read_scalar(reader *r, gpuc__yaml_node *node)
{
    const yaml_event_t *e = &r->event;

    node->kind = GPUC__YAML_SCALAR;
    node->flow = e->data.scalar.style == YAML_SINGLE_QUOTED_SCALAR_STYLE ||
                 e->data.scalar.style == YAML_DOUBLE_QUOTED_SCALAR_STYLE;
    node->plain = e->data.scalar.plain_implicit;
    node->null = is_null(e);
    node->end = byte_of(r, e->end_mark.index);
    while (node->end > node->start && strchr(" \t\r\n", r->text[node->end - 1]))
        node->end--; /* a block scalar's mark lies behind the empty lines that follow */
    if (memchr(e->data.scalar.value, 0, e->data.scalar.length))
        return fail(r, GPUC_EINVAL, &e->start_mark, "a NUL byte in a value",
                    "remove the \\0 from this value");
    node->text = gpuc__strdup((const char *)e->data.scalar.value);
    return node->text ? GPUC_OK : gpuc__error_nomem(r->err);
}

static int read_node(reader *r, gpuc__yaml_node **out, int depth);

/* A mapping's item in key position must be a scalar and new. */
static int check_key(reader *r, const gpuc__yaml_node *node, const yaml_mark_t *mark)
{
    const gpuc__yaml_node *key = node->items[node->count - 1];
    char what[128];

    if (key->kind != GPUC__YAML_SCALAR)
        return fail(r, GPUC_EINVAL, mark, "a key must be a word, not a list or mapping",
                    "write the key as plain text");
    for (size_t i = 0; i + 2 < node->count; i += 2) {
        if (strcmp(node->items[i]->text, key->text) == 0) {
            snprintf(what, sizeof(what), "the key \"%.60s\" stands here twice", key->text);
            return fail(r, GPUC_EINVAL, mark, what, "remove one of the two");
        }
    }
    return node->count > 512 ? fail(r, GPUC_ELIMIT, mark, "a mapping with more than 256 keys",
                                    "is this the file you meant?")
                             : GPUC_OK;
}

static int read_collection(reader *r, gpuc__yaml_node *node, int depth)
{
    bool mapping = r->event.type == YAML_MAPPING_START_EVENT;
    yaml_event_type_t end = mapping ? YAML_MAPPING_END_EVENT : YAML_SEQUENCE_END_EVENT;
    int rc;

    node->kind = mapping ? GPUC__YAML_MAPPING : GPUC__YAML_SEQUENCE;
    node->flow = mapping ? r->event.data.mapping_start.style == YAML_FLOW_MAPPING_STYLE
                         : r->event.data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE;
    if (depth >= GPUC__YAML_MAX_DEPTH)
        return fail(r, GPUC_ELIMIT, &r->event.start_mark, "nested too deeply (more than 32)",
                    "is this the file you meant?");
    while ((rc = next(r)) == GPUC_OK && r->event.type != end) {
        gpuc__yaml_node *item = NULL;
        yaml_mark_t mark = r->event.start_mark;

        rc = read_node(r, &item, depth + 1);
        if (rc == GPUC_OK)
            rc = add_item(r, node, item);
        if (rc == GPUC_OK && mapping && node->count % 2 == 1)
            rc = check_key(r, node, &mark);
        if (rc != GPUC_OK)
            return rc;
    }
    if (rc != GPUC_OK)
        return rc;
    /* A block collection's end mark lies behind the comments that follow it. */
    if (node->flow)
        node->end = byte_of(r, r->event.end_mark.index);
    else
        node->end = node->count ? node->items[node->count - 1]->end : node->start;
    return GPUC_OK;
}

/* ---- anchors and aliases ---- */

static int copy_node(reader *r, gpuc__yaml_node **out, const gpuc__yaml_node *from)
{
    gpuc__yaml_node *node;

    if (++r->nodes > GPUC__YAML_MAX_NODES)
        return fail(r, GPUC_ELIMIT, &r->event.start_mark, "more than 200000 values, with all aliases",
                    "is this the file you meant?");
    node = gpuc__calloc(1, sizeof(*node));
    if (!node)
        return gpuc__error_nomem(r->err);
    *out = node;
    *node = *from;
    node->items = NULL;
    node->count = node->room = 0;
    node->text = gpuc__strdup(from->text);
    if (from->text && !node->text)
        return gpuc__error_nomem(r->err);
    for (size_t i = 0; i < from->count; i++) {
        gpuc__yaml_node *item = NULL;
        int rc = copy_node(r, &item, from->items[i]);

        if (rc != GPUC_OK) {
            gpuc__yaml_free(item);
            return rc;
        }
        rc = add_item(r, node, item);
        if (rc != GPUC_OK)
            return rc;
    }
    return GPUC_OK;
}

static int read_alias(reader *r, gpuc__yaml_node **out)
{
    const char *name = (const char *)r->event.data.alias.anchor;
    const gpuc__yaml_node *named = NULL;
    int rc;

    if (!r->anchors)
        return fail(r, GPUC_EUNSUPPORTED, &r->event.start_mark, "a YAML alias (*name)",
                    "write the value out in full; aliases are not read here");
    for (size_t i = 0; i + 1 < r->anchors->count; i += 2) { /* the last of a name counts */
        if (strcmp(r->anchors->items[i]->text, name) == 0)
            named = r->anchors->items[i + 1];
    }
    if (!named)
        return fail(r, GPUC_EINVAL, &r->event.start_mark, "an alias of nothing that comes before it",
                    "name an anchor (&name) of this document");
    rc = copy_node(r, out, named);
    if (rc != GPUC_OK) {
        gpuc__yaml_free(*out);
        *out = NULL;
    }
    return rc;
}

/* Remembers a finished node under its anchor. */
static int keep_anchor(reader *r, const char *anchor, const gpuc__yaml_node *node)
{
    gpuc__yaml_node *name = gpuc__calloc(1, sizeof(*name)), *copy = NULL;
    int rc = GPUC_OK;

    if (!name || !(name->text = gpuc__strdup(anchor)))
        rc = gpuc__error_nomem(r->err);
    if (rc == GPUC_OK)
        rc = copy_node(r, &copy, node);
    if (rc == GPUC_OK) {
        rc = add_item(r, r->anchors, name);
        name = NULL;
    }
    if (rc == GPUC_OK) {
        rc = add_item(r, r->anchors, copy);
        copy = NULL;
    }
    gpuc__yaml_free(name);
    gpuc__yaml_free(copy);
    return rc;
}

static char *anchor_of(const yaml_event_t *e)
{
    const yaml_char_t *anchor = e->type == YAML_SCALAR_EVENT           ? e->data.scalar.anchor
                                : e->type == YAML_MAPPING_START_EVENT  ? e->data.mapping_start.anchor
                                : e->type == YAML_SEQUENCE_START_EVENT ? e->data.sequence_start.anchor
                                                                       : NULL;

    return gpuc__strdup((const char *)anchor);
}

/* The event of the node has been read already. */
static int read_node(reader *r, gpuc__yaml_node **out, int depth)
{
    gpuc__yaml_node *node;
    char *anchor;
    int rc;

    if (r->event.type == YAML_ALIAS_EVENT)
        return read_alias(r, out);
    if (++r->nodes > GPUC__YAML_MAX_NODES)
        return fail(r, GPUC_ELIMIT, &r->event.start_mark, "more than 200000 values",
                    "is this the file you meant?");
    node = gpuc__calloc(1, sizeof(*node));
    if (!node)
        return gpuc__error_nomem(r->err);
    node->line = r->event.start_mark.line + 1;
    node->column = r->event.start_mark.column + 1;
    node->start = byte_of(r, r->event.start_mark.index);
    anchor = r->anchors ? anchor_of(&r->event) : NULL;
    rc = r->event.type == YAML_SCALAR_EVENT ? read_scalar(r, node)
                                            : read_collection(r, node, depth);
    if (rc == GPUC_OK && anchor)
        rc = keep_anchor(r, anchor, node);
    gpuc__free(anchor);
    if (rc != GPUC_OK) {
        gpuc__yaml_free(node);
        return rc;
    }
    *out = node;
    return GPUC_OK;
}

/* Each document has anchors of its own. */
static int read_anchored(reader *r, gpuc__yaml_node **out)
{
    int rc;

    r->anchors = gpuc__calloc(1, sizeof(*r->anchors));
    if (!r->anchors)
        return gpuc__error_nomem(r->err);
    rc = read_node(r, out, 0);
    gpuc__yaml_free(r->anchors);
    r->anchors = NULL;
    return rc;
}

static int read_documents(reader *r, gpuc__yaml_node **out)
{
    gpuc__yaml_node *all = gpuc__calloc(1, sizeof(*all));
    int rc = all ? next(r) : gpuc__error_nomem(r->err); /* STREAM-START */

    if (rc == GPUC_OK && r->parser.encoding != YAML_UTF8_ENCODING)
        rc = fail(r, GPUC_EUNSUPPORTED, &r->event.start_mark, "not UTF-8", "save the file as UTF-8");
    if (rc == GPUC_OK)
        all->kind = GPUC__YAML_SEQUENCE;
    while (rc == GPUC_OK && (rc = next(r)) == GPUC_OK && r->event.type != YAML_STREAM_END_EVENT) {
        gpuc__yaml_node *document = NULL;

        rc = next(r);
        if (rc == GPUC_OK)
            rc = read_anchored(r, &document);
        if (rc == GPUC_OK && document->null)
            gpuc__yaml_free(document); /* nothing but a comment between two --- */
        else if (rc == GPUC_OK)
            rc = add_item(r, all, document);
        else
            gpuc__yaml_free(document);
        if (rc == GPUC_OK)
            rc = next(r); /* DOCUMENT-END */
    }
    if (rc == GPUC_OK)
        *out = all;
    else
        gpuc__yaml_free(all);
    return rc;
}

static int read_document(reader *r, gpuc__yaml_node **out)
{
    gpuc__yaml_node *root = NULL;
    int rc = next(r); /* STREAM-START */

    if (rc == GPUC_OK && r->parser.encoding != YAML_UTF8_ENCODING)
        return fail(r, GPUC_EUNSUPPORTED, &r->event.start_mark, "not UTF-8",
                    "save the file as UTF-8");
    if (rc == GPUC_OK)
        rc = next(r); /* DOCUMENT-START, or the end of an empty stream */
    if (rc != GPUC_OK || r->event.type == YAML_STREAM_END_EVENT)
        return rc;
    rc = next(r);
    if (rc == GPUC_OK)
        rc = read_node(r, &root, 0);
    if (rc == GPUC_OK)
        rc = next(r); /* DOCUMENT-END */
    if (rc == GPUC_OK)
        rc = next(r);
    if (rc == GPUC_OK && r->event.type != YAML_STREAM_END_EVENT)
        rc = fail(r, GPUC_EUNSUPPORTED, &r->event.start_mark, "a second document (after ---)",
                  "give a file with one document");
    if (rc != GPUC_OK) {
        gpuc__yaml_free(root);
        return rc;
    }
    *out = root;
    return GPUC_OK;
}

static int parse(gpuc__yaml_node **out, const char *text, size_t length, const char *filename,
                 int (*read)(reader *r, gpuc__yaml_node **out), gpuc_error **err)
{
    reader r = {.text = text, .filename = filename, .length = length, .chars = SIZE_MAX,
                .err = err};
    gpuc__yaml_node *root = NULL;
    int rc;

    if (length > GPUC__YAML_MAX_BYTES) {
        gpuc__error_set(err, GPUC_ELIMIT, GPUC_DOMAIN_KUBERNETES,
                        "%s:1:1: %zu bytes are more than the limit of 4 MiB", filename, length);
        gpuc__error_remedy(err, "check that this is the right file");
        return GPUC_ELIMIT;
    }
    if (gpuc__yaml_too_many_directives(text, length)) {
        gpuc__error_set(err, GPUC_ELIMIT, GPUC_DOMAIN_KUBERNETES,
                        "%s:1:1: more than %d YAML directives", filename, GPUC__YAML_MAX_DIRECTIVES);
        gpuc__error_remedy(err, "remove the lines that begin with %%");
        return GPUC_ELIMIT;
    }
    if (!yaml_parser_initialize(&r.parser))
        return gpuc__error_nomem(err);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, length);
    rc = read(&r, &root);
    if (r.have_event)
        yaml_event_delete(&r.event);
    yaml_parser_delete(&r.parser);
    if (rc == GPUC_OK)
        *out = root;
    return rc;
}

int gpuc__yaml_parse(gpuc__yaml_node **out, const char *text, size_t length, const char *filename,
                     gpuc_error **err)
{
    return parse(out, text, length, filename, read_document, err);
}

int gpuc__yaml_parse_all(gpuc__yaml_node **out, const char *text, size_t length,
                         const char *filename, gpuc_error **err)
{
    return parse(out, text, length, filename, read_documents, err);
}

gpuc__yaml_node *gpuc__yaml_get(const gpuc__yaml_node *node, const char *key)
{
    if (!node || node->kind != GPUC__YAML_MAPPING)
        return NULL;
    for (size_t i = 0; i + 1 < node->count; i += 2) {
        if (strcmp(node->items[i]->text, key) == 0)
            return node->items[i + 1];
    }
    return NULL;
}

bool gpuc__yaml_equal(const gpuc__yaml_node *a, const gpuc__yaml_node *b)
{
    if (!a || !b)
        return a == b;
    if (a->kind != b->kind || a->count != b->count || a->null != b->null)
        return false;
    if (a->kind == GPUC__YAML_SCALAR)
        return strcmp(a->text, b->text) == 0;
    for (size_t i = 0; i < a->count; i++) {
        if (!gpuc__yaml_equal(a->items[i], b->items[i]))
            return false;
    }
    return true;
}
