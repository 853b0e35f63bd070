/* SPDX-License-Identifier: Apache-2.0 */
/* The project that gcloud is set to (gcloud config set project), read from its files. */
#include <stdlib.h>
#include <string.h>

#include "provider/gce/auth_credential.h"
#include "util/alloc.h"
#include "util/error.h"

#define NAME_MAX_BYTES 128

static const char name_letters[] =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
static const char project_letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-.:";

/* New string: the file's text; NULL when it cannot be read, which is no mistake here. */
static char *text_of(char *path)
{
    char *text = NULL;
    gpuc_error *error = NULL;

    if (path)
        gpuc__gce_read_file(&text, path, NULL, &error);
    gpuc_error_unref(error);
    gpuc__free(path);
    return text;
}

/* The one word made of these letters that stands there: new string; NULL for none. */
static char *word(const char *text, const char *letters)
{
    size_t length, behind;

    text += strspn(text, " \t");
    length = strspn(text, letters);
    behind = length + strspn(text + length, " \t");
    if (!length || length > NAME_MAX_BYTES || (text[behind] && !strchr("\r\n", text[behind])))
        return NULL;
    return gpuc__strndup(text, length);
}

/* As gcloud: the variable, the file that `gcloud config configurations activate` writes, else
 * "default". */
static char *configuration(const char *folder)
{
    const char *named = getenv("CLOUDSDK_ACTIVE_CONFIG_NAME");
    char *text = NULL, *name = NULL;

    if (named && *named)
        return word(named, name_letters);
    text = text_of(gpuc__asprintf("%s/active_config", folder));
    name = text ? word(text, name_letters) : gpuc__strdup("default");
    gpuc__free(text);
    return name;
}

/* The value of `project` in the section [core] of an INI file. */
static char *find(const char *text)
{
    bool core = false;

    while (*text) {
        size_t length = strcspn(text, "\n");

        if (*text == '[') {
            core = strncmp(text, "[core]", 6) == 0;
        } else if (core && strncmp(text, "project", 7) == 0) {
            const char *value = text + 7 + strspn(text + 7, " \t");

            if (*value == '=')
                return word(value + 1, project_letters);
        }
        text += length + (text[length] == '\n');
    }
    return NULL;
}

char *gpuc__gce_gcloud_project(void)
{
    const char *config = getenv("CLOUDSDK_CONFIG"), *home = getenv("HOME");
    char *folder = NULL, *name = NULL, *text = NULL, *project = NULL;

    if (config && *config)
        folder = gpuc__strdup(config);
    else if (home && *home)
        folder = gpuc__asprintf("%s/.config/gcloud", home);
    if (folder)
        name = configuration(folder);
    if (name)
        text = text_of(gpuc__asprintf("%s/configurations/config_%s", folder, name));
    if (text)
        project = find(text);
    gpuc__free(text);
    gpuc__free(name);
    gpuc__free(folder);
    return project;
}
