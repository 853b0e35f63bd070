/* SPDX-License-Identifier: Apache-2.0 */
/* Reads YAML events into the tree. Whatever the text holds is bounded; anchors, aliases and tags
 * are refused, since a spec has no use for them and they make a small text large. */
#include "spec/read.h"

#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "util/alloc.h"
#include "util/error.h"
#include "util/yaml.h"

typedef struct reader {
    yaml_parser_t parser;
    const char *text;
    size_t length, nodes;
    gpuc__spec_where where;
    gpuc_error **err;
} reader;

static gpuc__spec_where *here(reader *r, const yaml_mark_t *mark)
{
    r->where.line = (int)mark->line + 1;
    r->where.column = (int)mark->column + 1;
    return &r->where;
}

/* A byte that is no UTF-8 has an offset only. */
static void place_offset(reader *r, size_t offset)
{
    r->where.line = r->where.column = 1;
    for (size_t i = 0; i < offset && i < r->length; i++) {
        r->where.column = r->text[i] == '\n' ? 1 : r->where.column + 1;
        r->where.line += r->text[i] == '\n';
    }
}

static int syntax_error(reader *r)
{
    yaml_parser_t *p = &r->parser;
    int code;

    if (p->error == YAML_MEMORY_ERROR)
        return gpuc__error_nomem(r->err);
    if (p->error == YAML_READER_ERROR)
        place_offset(r, p->problem_offset);
    else
        here(r, &p->problem_mark);
    code = gpuc__spec_error(r->err, GPUC_EINVAL, &r->where,
                            "syntax: %s%s%s; expected YAML or JSON in UTF-8",
                            p->problem ? p->problem : "not readable", p->context ? " " : "",
                            p->context ? p->context : "");
    if (p->error == YAML_READER_ERROR)
        gpuc__error_remedy(r->err, "Save the file as UTF-8, without control characters.");
    else
        gpuc__error_remedy(r->err, "Correct the text at this place; quote values that hold "
                                   "any of : # { } [ ] , & * ! | > ' \" %% @ `.");
    return code;
}

static int next(reader *r, yaml_event_t *event)
{
    return yaml_parser_parse(&r->parser, event) ? GPUC_OK : syntax_error(r);
}

static int refuse(reader *r, int code, const yaml_event_t *event, const char *what,
                  const char *remedy)
{
    code = gpuc__spec_error(r->err, code, here(r, &event->start_mark), "%s", what);
    gpuc__error_remedy(r->err, "%s", remedy);
    return code;
}

/* What libyaml accepts and a spec does not. */
static int check_event(reader *r, const yaml_event_t *event, int depth)
{
    const yaml_char_t *anchor = NULL, *tag = NULL;

    if (event->type == YAML_SCALAR_EVENT) {
        anchor = event->data.scalar.anchor;
        tag = event->data.scalar.tag;
    } else if (event->type == YAML_SEQUENCE_START_EVENT) {
        anchor = event->data.sequence_start.anchor;
        tag = event->data.sequence_start.tag;
    } else if (event->type == YAML_MAPPING_START_EVENT) {
        anchor = event->data.mapping_start.anchor;
        tag = event->data.mapping_start.tag;
    }
    if (anchor || event->type == YAML_ALIAS_EVENT)
        return refuse(r, GPUC_EINVAL, event, "an anchor or alias; expected a plain value",
                      "Write the value out where it is used; a text that begins with & or * needs "
                      "quotes.");
    if (tag)
        return refuse(r, GPUC_EINVAL, event, "a tag; expected a plain value",
                      "Remove the tag; a text that begins with ! needs quotes.");
    if (depth > GPUC__SPEC_MAX_DEPTH)
        return refuse(r, GPUC_ELIMIT, event, "nested deeper than 32 levels",
                      "A spec needs no more than 5 levels.");
    if (++r->nodes > GPUC__SPEC_MAX_NODES)
        return refuse(r, GPUC_ELIMIT, event, "more than 100000 values",
                      "Use count for equal machines.");
    return GPUC_OK;
}

static int check_text(reader *r, const yaml_event_t *event)
{
    if (!memchr(event->data.scalar.value, 0, event->data.scalar.length))
        return GPUC_OK;
    return refuse(r, GPUC_EINVAL, event, "a text with a NUL byte; expected a text without one",
                  "Remove the \\0 or \\u0000.");
}

static int read_scalar(reader *r, const yaml_event_t *event, gpuc__spec_node **out)
{
    bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    int rc = check_text(r, event);

    if (rc)
        return rc;
    here(r, &event->start_mark);
    *out = gpuc__spec_node_scalar((const char *)event->data.scalar.value,
                                  event->data.scalar.length, plain, r->where.line,
                                  r->where.column);
    return *out ? GPUC_OK : gpuc__error_nomem(r->err);
}

static int read_node(reader *r, const yaml_event_t *event, int depth, gpuc__spec_node **out);

static int read_list(reader *r, int depth, gpuc__spec_node *list)
{
    for (;;) {
        yaml_event_t event;
        gpuc__spec_node *value = NULL;
        int rc = next(r, &event);

        if (rc)
            return rc;
        if (event.type == YAML_SEQUENCE_END_EVENT) {
            yaml_event_delete(&event);
            return GPUC_OK;
        }
        rc = read_node(r, &event, depth + 1, &value);
        yaml_event_delete(&event);
        if (rc)
            return rc;
        if (!gpuc__spec_node_add(list, NULL, value->line, value->column, value))
            return gpuc__error_nomem(r->err);
    }
}

static int check_key(reader *r, const gpuc__spec_node *map, const yaml_event_t *event)
{
    const char *key = (const char *)event->data.scalar.value;
    const gpuc__spec_entry *first;
    char *shown;
    int rc;

    if (event->type != YAML_SCALAR_EVENT)
        return refuse(r, GPUC_EINVAL, event, "a list or mapping as a key; expected a name",
                      "Write the key as a plain name.");
    rc = check_text(r, event);
    if (rc)
        return rc;
    if (map->count >= GPUC__SPEC_MAX_KEYS)
        return refuse(r, GPUC_ELIMIT, event, "more than 256 keys in one mapping",
                      "docs/spec.md lists every key.");
    first = gpuc__spec_node_entry(map, key);
    if (!first)
        return GPUC_OK;
    shown = gpuc__spec_show(key);
    rc = gpuc__spec_error(r->err, GPUC_EINVAL, here(r, &event->start_mark),
                          "the key %s a second time; the first is at line %d", shown ? shown : "",
                          first->line);
    gpuc__error_remedy(r->err, "Keep one of the two.");
    gpuc__free(shown);
    return rc;
}

static int read_pair(reader *r, const yaml_event_t *key, int depth, gpuc__spec_node *map)
{
    yaml_event_t event;
    gpuc__spec_node *value = NULL;
    int rc = check_event(r, key, depth);

    if (!rc)
        rc = check_key(r, map, key);
    if (!rc)
        rc = next(r, &event);
    if (rc)
        return rc;
    rc = read_node(r, &event, depth, &value);
    yaml_event_delete(&event);
    if (rc)
        return rc;
    here(r, &key->start_mark);
    if (!gpuc__spec_node_add(map, (const char *)key->data.scalar.value, r->where.line,
                             r->where.column, value))
        return gpuc__error_nomem(r->err);
    return GPUC_OK;
}

static int read_map(reader *r, int depth, gpuc__spec_node *map)
{
    for (;;) {
        yaml_event_t event;
        int rc = next(r, &event);

        if (rc)
            return rc;
        if (event.type == YAML_MAPPING_END_EVENT) {
            yaml_event_delete(&event);
            return GPUC_OK;
        }
        rc = read_pair(r, &event, depth + 1, map);
        yaml_event_delete(&event);
        if (rc)
            return rc;
    }
}

static int read_node(reader *r, const yaml_event_t *event, int depth, gpuc__spec_node **out)
{
    bool list = event->type == YAML_SEQUENCE_START_EVENT;
    gpuc__spec_node *node;
    int rc = check_event(r, event, depth);

    if (rc)
        return rc;
    if (event->type == YAML_SCALAR_EVENT)
        return read_scalar(r, event, out);
    here(r, &event->start_mark);
    node = gpuc__spec_node_new(list ? GPUC__SPEC_LIST : GPUC__SPEC_MAP, r->where.line,
                               r->where.column);
    if (!node)
        return gpuc__error_nomem(r->err);
    rc = list ? read_list(r, depth, node) : read_map(r, depth, node);
    if (rc)
        gpuc__spec_node_free(node);
    else
        *out = node;
    return rc;
}

/* The next event that is not the start or end of the stream or of a document. An end of the stream
 * answers with type YAML_NO_EVENT. */
static int next_content(reader *r, yaml_event_t *event)
{
    for (;;) {
        int rc = next(r, event);

        if (rc)
            return rc;
        switch (event->type) {
        case YAML_STREAM_START_EVENT:
        case YAML_DOCUMENT_START_EVENT:
        case YAML_DOCUMENT_END_EVENT:
            yaml_event_delete(event);
            break;
        case YAML_STREAM_END_EVENT:
            event->type = YAML_NO_EVENT;
            return GPUC_OK;
        default:
            return GPUC_OK;
        }
    }
}

static int read_document(reader *r, gpuc__spec_node **out)
{
    gpuc__spec_node *root = NULL;
    yaml_event_t event;
    int rc = next_content(r, &event);

    if (rc)
        return rc;
    if (event.type == YAML_NO_EVENT)
        return refuse(r, GPUC_EINVAL, &event,
                      r->where.path ? "nothing here; expected a value"
                                    : "nothing here; expected a spec",
                      "docs/spec.md shows a spec to begin with, and the values of every key.");
    rc = read_node(r, &event, 1, &root);
    yaml_event_delete(&event);
    if (!rc)
        rc = next_content(r, &event);
    if (!rc && event.type != YAML_NO_EVENT) {
        rc = refuse(r, GPUC_EINVAL, &event, "a second document; expected one",
                    "Keep one spec in a file.");
        yaml_event_delete(&event);
    }
    if (rc)
        gpuc__spec_node_free(root);
    else
        *out = root;
    return rc;
}

static int read_text(gpuc__spec_node **out, const char *text, size_t length,
                     const gpuc__spec_where *where, gpuc_error **err)
{
    reader r = {.text = text, .length = length, .where = *where, .err = err};
    int rc;

    if (!yaml_parser_initialize(&r.parser))
        return gpuc__error_nomem(err);
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, length);
    rc = read_document(&r, out);
    yaml_parser_delete(&r.parser);
    return rc;
}

static bool looks_like_json(const char *text, size_t length)
{
    size_t i = 0;

    while (i < length && text[i] && strchr(" \t\r\n", text[i]))
        i++;
    return i < length && (text[i] == '{' || text[i] == '[');
}

int gpuc__spec_read(gpuc__spec_node **out, const char *text, size_t length,
                    const gpuc__spec_where *where, gpuc_error **err)
{
    gpuc__spec_where whole = {where->file, 0, 0, where->path};
    gpuc_error *first = NULL;
    char *yaml = NULL;
    int rc;

    if (length > GPUC__SPEC_MAX_BYTES) {
        rc = gpuc__spec_error(err, GPUC_ELIMIT, &whole, "larger than the limit of 4 MiB");
        gpuc__error_remedy(err, "Use count for equal machines; is this the file you meant?");
        return rc;
    }
    if (length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) { /* byte order mark */
        text += 3;
        length -= 3;
    }
    if (gpuc__yaml_too_many_directives(text, length)) {
        rc = gpuc__spec_error(err, GPUC_ELIMIT, &whole, "more than 16 YAML directives");
        gpuc__error_remedy(err, "Remove the lines that begin with %%.");
        return rc;
    }
    rc = read_text(out, text, length, &whole, err ? &first : NULL);
    if (rc == GPUC_EINVAL && looks_like_json(text, length))
        yaml = gpuc__spec_json_as_yaml(text, length);
    if (yaml) {
        gpuc_error_unref(first);
        first = NULL;
        rc = read_text(out, yaml, strlen(yaml), &whole, err ? &first : NULL);
        gpuc__free(yaml);
    }
    if (err && !*err)
        *err = first;
    else
        gpuc_error_unref(first);
    return rc;
}
