/* SPDX-License-Identifier: Apache-2.0 */
/* Our lines among the SSH keys of a project's metadata, which belong to everybody. */
#include <string.h>

#include "provider/gce/left.h"
#include "provider/gce/shared.h"
#include "util/alloc.h"
#include "util/buf.h"
#include "util/error.h"

#define VALUE_MAX (256u * 1024) /* of one item, by the API */
#define ITEM "ssh-keys"
#define LEGACY "sshKeys" /* read by all agents; where there is only this one, an old agent may be */

static const char *text_at(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

/* "USER:TYPE BASE64 gpucluster=UUID NAME": the mark stands where a comment does. */
static char *key_line(const gpuc__provider *provider, const char *user)
{
    const char *key = provider->public_key;
    size_t type = strcspn(key, " "), all;

    all = type + strspn(key + type, " ");
    all += strcspn(key + all, " \r\n");
    return gpuc__asprintf("%s:%.*s " GPUC__GCE_LABEL "=%s %s", user, (int)all, key, provider->uuid,
                          provider->spec->name);
}

static bool has_text(const json_t *list, const char *text)
{
    json_t *entry;
    size_t i;

    json_array_foreach(list, i, entry) {
        if (strcmp(json_string_value(entry), text) == 0)
            return true;
    }
    return false;
}

json_t *gpuc__gce_key_lines(const gpuc__provider *provider)
{
    const gpuc__spec_model *spec = provider->spec;
    json_t *lines = json_array();
    bool ok = lines != NULL;

    for (size_t i = 0; ok && provider->public_key && i < spec->machine_count; i++) {
        const char *user = spec->machines[i].user ? spec->machines[i].user : spec->ssh_user;
        char *line = key_line(provider, user);

        ok = line && (has_text(lines, line) || !json_array_append_new(lines, json_string(line)));
        gpuc__free(line);
    }
    if (ok)
        return lines;
    json_decref(lines);
    return NULL;
}

/* Behind the mark that the line's comment, its third word, begins with; NULL: it does not. */
static const char *marked(const char *line, size_t length)
{
    const char *end = line + length, *at = line;
    size_t mark = strlen(GPUC__GCE_LABEL "=");

    for (int words = 0; at && words < 2; words++) {
        at = memchr(at, ' ', (size_t)(end - at));
        while (at && at < end && *at == ' ')
            at++;
    }
    if (!at || (size_t)(end - at) <= mark || strncmp(at, GPUC__GCE_LABEL "=", mark) != 0)
        return NULL;
    return at + mark;
}

/* The comment is ours. */
static bool is_ours(const char *line, size_t length, const char *uuid)
{
    const char *end = line + length, *at = marked(line, length);
    size_t size = strlen(uuid);

    return at && (size_t)(end - at) >= size && strncmp(at, uuid, size) == 0 &&
           (at + size == end || at[size] == ' ');
}

/* Copies the value without lines of ours that are not wanted; those that are get counted. */
static void keep_lines(gpuc__buf *out, const char *value, const json_t *lines, const char *uuid,
                       bool *have)
{
    bool cut = false; /* the last line was ours, and nothing ended it */

    while (*value) {
        size_t length = strcspn(value, "\n"), whole = length + (value[length] == '\n');
        char *line = is_ours(value, length, uuid) ? gpuc__strndup(value, length) : NULL;
        bool wanted = false;
        json_t *want;
        size_t i;

        json_array_foreach(line ? lines : NULL, i, want) {
            if (strcmp(json_string_value(want), line) == 0 && !have[i])
                wanted = have[i] = true;
        }
        if (!line || wanted)
            gpuc__buf_add(out, value, whole);
        cut = line && !wanted && whole == length;
        gpuc__free(line);
        value += whole;
    }
    if (cut && out->length && out->data[out->length - 1] == '\n')
        out->data[--out->length] = '\0'; /* it came with our line */
}

/* As the others end, so does ours: what is taken away later leaves the rest as it was. */
static void add_line(gpuc__buf *out, const char *line)
{
    bool open = out->length && out->data[out->length - 1] != '\n';

    if (open)
        gpuc__buf_putc(out, '\n');
    gpuc__buf_puts(out, line);
    if (!open)
        gpuc__buf_putc(out, '\n');
}

struct edit {
    const json_t *lines;
    const char *uuid;
    bool *have; /* of each line: it is there */
    json_t *items; /* the new ones */
    json_t *target; /* where lines are added: one of them, or NULL */
    bool changed;
};

/* An item with keys: without those of ours that are not wanted; false without memory. */
static bool take_keys(struct edit *e, json_t *item, const char *key, const char *value)
{
    gpuc__buf text = GPUC__BUF_INIT(VALUE_MAX * 2);
    json_t *kept = NULL;
    bool empty;

    keep_lines(&text, value, e->lines, e->uuid, e->have);
    if (text.failed)
        return false;
    if (text.length == strlen(value)) {
        kept = json_incref(item);
    } else {
        e->changed = true;
        if (text.length)
            kept = json_pack("{s:s, s:s%}", "key", key, "value", gpuc__buf_text(&text),
                             text.length);
    }
    empty = !text.length;
    gpuc__buf_clear(&text);
    if (!kept)
        return empty; /* an item of nothing but ours goes */
    if (!e->target || strcmp(key, ITEM) == 0)
        e->target = kept;
    return json_array_append_new(e->items, kept) == 0;
}

/* Takes over one item; false without memory. */
static bool take_item(struct edit *e, json_t *item)
{
    const char *key = text_at(item, "key"), *value = text_at(item, "value");

    if (key && value && (strcmp(key, ITEM) == 0 || strcmp(key, LEGACY) == 0))
        return take_keys(e, item, key, value);
    return json_array_append(e->items, item) == 0;
}

static int too_long(gpuc_error **err)
{
    gpuc__error_set(err, GPUC_ELIMIT, GPUC_DOMAIN_PROVIDER,
                    "the SSH keys in the project's metadata leave no room for another one");
    gpuc__error_remedy(err, "remove keys that nobody needs any more (`gcloud compute project-info "
                            "describe` shows them), or set ssh.project_key to false");
    return GPUC_ELIMIT;
}

/* Adds the lines that are not there yet. */
static int add_lines(struct edit *e, gpuc_error **err)
{
    gpuc__buf text = GPUC__BUF_INIT(VALUE_MAX);
    const char *value = text_at(e->target, "value");
    bool missing = false;
    json_t *line, *made;
    size_t i;
    int rc = GPUC_OK;

    gpuc__buf_puts(&text, value ? value : "");
    json_array_foreach(e->lines, i, line) {
        if (!e->have[i])
            add_line(&text, json_string_value(line));
        missing = missing || !e->have[i];
    }
    if (text.failed) {
        rc = too_long(err);
    } else if (missing) {
        e->changed = true;
        made = json_pack("{s:s, s:s%}", "key", e->target ? text_at(e->target, "key") : ITEM,
                         "value", gpuc__buf_text(&text), text.length);
        /* not changed in place: the item is the answer's own */
        for (i = 0; e->target && json_array_get(e->items, i) != e->target;)
            i++;
        if ((e->target ? json_array_set_new(e->items, i, made)
                       : json_array_append_new(e->items, made)) != 0)
            rc = gpuc__error_nomem(err);
    }
    gpuc__buf_clear(&text);
    return rc;
}

int gpuc__gce_key_plan(json_t **out, const json_t *project, const json_t *lines, const char *uuid,
                       gpuc_error **err)
{
    const json_t *metadata = json_object_get(project, "commonInstanceMetadata");
    const char *fingerprint = text_at(metadata, "fingerprint");
    struct edit e = {.lines = lines, .uuid = uuid, .items = json_array()};
    json_t *item, *body = NULL;
    size_t i;
    int rc = GPUC_OK;

    if (!fingerprint) {
        rc = gpuc__error_set(err, GPUC_EPROTO, GPUC_DOMAIN_PROVIDER,
                             "the project's metadata came without a fingerprint");
        goto done;
    }
    e.have = gpuc__calloc(json_array_size(lines) + 1, sizeof(*e.have));
    if (!e.have || !e.items)
        rc = gpuc__error_nomem(err);
    json_array_foreach(json_object_get(metadata, "items"), i, item) {
        if (rc == GPUC_OK && !take_item(&e, item))
            rc = gpuc__error_nomem(err);
    }
    if (rc == GPUC_OK)
        rc = add_lines(&e, err);
    if (rc == GPUC_OK && e.changed) {
        body = json_pack("{s:s, s:O}", "fingerprint", fingerprint, "items", e.items);
        rc = body ? GPUC_OK : gpuc__error_nomem(err);
    }
done:
    if (rc == GPUC_OK)
        *out = body;
    gpuc__free(e.have);
    json_decref(e.items);
    return rc;
}

static bool knows(const json_t *found, const char *cluster)
{
    json_t *entry;
    size_t i;

    json_array_foreach(found, i, entry) {
        if (strcmp(text_at(entry, "type"), "ssh key") == 0 &&
            strcmp(text_at(entry, "cluster"), cluster) == 0)
            return true;
    }
    return false;
}

/* One line; false without memory. */
static bool add_mark(json_t *found, const char *line, size_t length)
{
    const char *mark = marked(line, length);
    char *cluster, *name;
    size_t left, size;
    bool ok;

    if (!mark)
        return true;
    left = length - (size_t)(mark - line);
    size = strcspn(mark, " \n");
    size = size < left ? size : left;
    cluster = gpuc__strndup(mark, size);
    left -= size;
    mark += size + (left > 0);
    name = gpuc__strndup(mark, left ? strcspn(mark, " \n") : 0);
    ok = cluster && name &&
         (!*cluster || knows(found, cluster) ||
          json_array_append_new(found, json_pack("{s:s, s:s, s:s, s:s*}", "type", "ssh key", "name",
                                                 "project metadata", "cluster", cluster,
                                                 "cluster_name", *name ? name : NULL)) == 0);
    gpuc__free(cluster);
    gpuc__free(name);
    return ok;
}

bool gpuc__gce_left_add_keys(json_t *found, const json_t *project)
{
    json_t *item;
    size_t i;

    json_array_foreach(json_object_get(json_object_get(project, "commonInstanceMetadata"), "items"),
                       i, item) {
        const char *key = text_at(item, "key"), *value = text_at(item, "value");

        if (!key || !value || (strcmp(key, ITEM) != 0 && strcmp(key, LEGACY) != 0))
            continue;
        while (*value) {
            size_t length = strcspn(value, "\n");

            if (!add_mark(found, value, length))
                return false;
            value += length + (value[length] == '\n');
        }
    }
    return true;
}
