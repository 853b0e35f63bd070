/* SPDX-License-Identifier: Apache-2.0 */
/* What a provider said of a machine: kept in the state, copied, compared. */
#include <string.h>

#include "cluster/provide.h"
#include "util/alloc.h"
#include "util/error.h"

static const struct {
    const char *key;
    size_t offset;
    bool needed;
} texts[] = {
    {"address", offsetof(gpuc__machine_info, address), true},
    {"user", offsetof(gpuc__machine_info, user), true},
    {"provider_id", offsetof(gpuc__machine_info, provider_id), false},
    {"status", offsetof(gpuc__machine_info, status), false},
    {"image", offsetof(gpuc__machine_info, image), false},
    {"zone", offsetof(gpuc__machine_info, zone), false},
    {"machine_type", offsetof(gpuc__machine_info, machine_type), false},
    {"internal_ip", offsetof(gpuc__machine_info, internal_ip), false},
    {"external_ip", offsetof(gpuc__machine_info, external_ip), false},
};
#define TEXTS (sizeof(texts) / sizeof(texts[0]))

static char **slot(gpuc__machine_info *info, size_t i)
{
    return (char **)((char *)info + texts[i].offset);
}

static const char *text_of(const gpuc__machine_info *info, size_t i)
{
    return *(char *const *)((const char *)info + texts[i].offset);
}

json_t *gpuc__machine_info_to_json(const gpuc__machine_info *info)
{
    json_t *keys = json_array(), *root;

    for (char **k = info->host_keys; k && *k; k++)
        json_array_append_new(keys, json_string(*k));
    root = json_pack("{s:i, s:o, s:b, s:b}", "port", info->port, "host_keys", keys, "made_here",
                     info->made_here, "tunnelled", info->tunnelled);
    for (size_t i = 0; root && i < TEXTS; i++) {
        if (text_of(info, i))
            json_object_set_new(root, texts[i].key, json_string(text_of(info, i)));
    }
    return root;
}

int gpuc__machine_info_from_json(gpuc__machine_info *out, json_t *root, gpuc_error **err)
{
    json_t *keys = json_object_get(root, "host_keys");
    size_t count = json_array_size(keys);

    out->port = (int)json_integer_value(json_object_get(root, "port"));
    out->made_here = json_is_true(json_object_get(root, "made_here"));
    out->tunnelled = json_is_true(json_object_get(root, "tunnelled"));
    for (size_t i = 0; i < TEXTS; i++) {
        const char *text = json_string_value(json_object_get(root, texts[i].key));

        *slot(out, i) = gpuc__strdup(text);
        if (text && !*slot(out, i))
            return gpuc__error_nomem(err);
    }
    out->host_keys = gpuc__calloc(count + 1, sizeof(*out->host_keys));
    for (size_t i = 0, n = 0; out->host_keys && i < count; i++) {
        const char *key = json_string_value(json_array_get(keys, i));

        if (key && !(out->host_keys[n++] = gpuc__strdup(key)))
            return gpuc__error_nomem(err);
    }
    return out->host_keys ? GPUC_OK : gpuc__error_nomem(err);
}

int gpuc__machine_info_copy(gpuc__machine_info *out, const gpuc__machine_info *from,
                            gpuc_error **err)
{
    size_t n = 0;

    memset(out, 0, sizeof(*out));
    while (from->host_keys && from->host_keys[n])
        n++;
    out->port = from->port;
    out->made_here = from->made_here;
    out->tunnelled = from->tunnelled;
    for (size_t i = 0; i < TEXTS; i++) {
        *slot(out, i) = gpuc__strdup(text_of(from, i));
        if ((text_of(from, i) || texts[i].needed) && !*slot(out, i))
            return gpuc__error_nomem(err);
    }
    out->host_keys = gpuc__calloc(n + 1, sizeof(*out->host_keys));
    if (!out->host_keys)
        return gpuc__error_nomem(err);
    for (size_t i = 0; i < n; i++) {
        if (!(out->host_keys[i] = gpuc__strdup(from->host_keys[i])))
            return gpuc__error_nomem(err);
    }
    return GPUC_OK;
}

static bool same_list(char *const *a, char *const *b)
{
    static char *const none[] = {NULL};

    for (a = a ? a : none, b = b ? b : none; *a && *b && strcmp(*a, *b) == 0;)
        a++, b++;
    return !*a && !*b;
}

/* A connection keeps what it was made with: with another host key in the spec it is made anew. */
bool gpuc__machine_info_same_place(const gpuc__machine_info *a, const gpuc__machine_info *b)
{
    return a->port == b->port && a->tunnelled == b->tunnelled && strcmp(a->address, b->address) == 0 &&
           strcmp(a->user, b->user) == 0 && same_list(a->host_keys, b->host_keys);
}
