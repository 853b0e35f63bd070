/* SPDX-License-Identifier: Apache-2.0 */
/* Links of resources: what part of them counts, and whose project they speak of. */
#include <string.h>

#include "provider/gce/call.h"
#include "util/error.h"

const char *gpuc__gce_link_path(const char *link)
{
    const char *at;

    if (!link || strncmp(link, "projects/", 9) == 0)
        return link;
    at = strstr(link, "/projects/");
    return at ? at + 1 : NULL;
}

bool gpuc__gce_same_link(const char *one, const char *other)
{
    one = gpuc__gce_link_path(one);
    other = gpuc__gce_link_path(other);
    return one && other && strcmp(one, other) == 0;
}

const char *gpuc__gce_link_name(const char *link)
{
    const char *slash = link ? strrchr(link, '/') : NULL;

    return slash ? slash + 1 : link;
}

static int hex(char c)
{
    const char *digits = "0123456789abcdef", *at = c ? strchr(digits, c | 0x20) : NULL;

    return at ? (int)(at - digits) : -1;
}

/* The next character of a path segment, percent encoding undone; 0 at its end. */
static int next(const char **p)
{
    const char *s = *p;
    int c = (unsigned char)*s;

    if (!c || c == '/' || c == '?')
        return 0;
    if (c == '%' && hex(s[1]) >= 0 && hex(s[2]) >= 0) {
        *p += 3;
        return hex(s[1]) * 16 + hex(s[2]);
    }
    (*p)++;
    return c;
}

static bool same_segment(const char *one, const char *other)
{
    int c;

    do {
        c = next(&one);
        if (c != next(&other))
            return false;
    } while (c);
    return true;
}

/* True unless it names a project, and another one. */
static bool link_fits(const char *project, const json_t *link)
{
    const char *path = gpuc__gce_link_path(json_string_value(link));

    return !path || same_segment(path + 9, project);
}

static const char *foreign_in_list(const char *project, const json_t *list)
{
    const json_t *item;
    size_t i;

    json_array_foreach(list, i, item)
    {
        const json_t *link = json_object_get(item, "selfLink");

        if (!link_fits(project, link))
            return json_string_value(link);
    }
    return NULL;
}

/* The first link of the answer that leads to another project. */
static const char *foreign(const char *project, const json_t *answer)
{
    static const char *const names[] = {"selfLink", "targetLink"};
    const json_t *items = json_object_get(answer, "items");
    const char *found = foreign_in_list(project, items), *key, *part_key;
    json_t *scope, *part;

    for (size_t i = 0; !found && i < sizeof(names) / sizeof(names[0]); i++) {
        const json_t *link = json_object_get(answer, names[i]);

        if (!link_fits(project, link))
            found = json_string_value(link);
    }
    if (found || !json_is_object(items))
        return found;
    json_object_foreach((json_t *)items, key, scope)
    {
        json_object_foreach(scope, part_key, part)
        {
            found = found ? found : foreign_in_list(project, part);
        }
    }
    return found;
}

int gpuc__gce_check_project(const char *path, const json_t *answer, gpuc_error **err)
{
    const char *project = gpuc__gce_link_path(path), *found;
    size_t length;

    if (!project)
        return GPUC_OK;
    project += 9;
    length = strcspn(project, "/?");
    if (strspn(project, "0123456789") == length) /* by number: links have the name */
        return GPUC_OK;
    found = foreign(project, answer);
    if (!found)
        return GPUC_OK;
    gpuc__error_set(err, GPUC_EPROTO, GPUC_DOMAIN_PROVIDER,
                    "project %.*s was asked, and the answer is about %.300s", (int)length, project,
                    found);
    gpuc__error_remedy(err, "check the endpoint (CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE) and any "
                            "proxy in between: nothing of that answer was used");
    return GPUC_EPROTO;
}
