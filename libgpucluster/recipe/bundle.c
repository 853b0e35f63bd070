/* SPDX-License-Identifier: Apache-2.0 */
/* Resolves a Kubernetes version into files: from the table for upstream and mirrors, from manifest.json
 * and SHA256SUMS for a bundle directory. */
#include "recipe/bundle.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/alloc.h"
#include "util/buf.h"
#include "util/data.h"
#include "util/error.h"

enum { BYTES_MAX = 4 * 1024 * 1024, FILES_MAX = 1000, PATH_CHARS = 400 };

typedef struct resolver {
    gpuc__sources *out;
    json_t *table, *manifest;
    const char *dir;  /* NULL: no bundle */
    char *sums;       /* SHA256SUMS, lines NUL-terminated below */
    gpuc__buf files;
} resolver;

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

void gpuc__sources_clear(gpuc__sources *sources)
{
    for (size_t i = 0; i < sources->bundle_count; i++) {
        gpuc__free(sources->bundle[i].name);
        gpuc__free(sources->bundle[i].sha256);
        gpuc__free(sources->bundle[i].path);
    }
    gpuc__free(sources->bundle);
    gpuc__free(sources->kubernetes);
    gpuc__free(sources->containerd_min);
    gpuc__free(sources->files);
    memset(sources, 0, sizeof(*sources));
}

static int bad_bundle(gpuc_error **err, const char *dir, const char *what, const char *which)
{
    gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_SPEC, "the bundle %s: %s%s", dir, what, which);
    gpuc__error_remedy(err, "A bundle has manifest.json, SHA256SUMS and upstream's paths: "
                            "docs/recipe.md.");
    return GPUC_EINVAL;
}

static int read_file(char **out, const char *dir, const char *name, gpuc_error **err)
{
    gpuc__buf buf = GPUC__BUF_INIT(BYTES_MAX);
    char *path = gpuc__asprintf("%s/%s", dir, name);
    FILE *file = path ? fopen(path, "re") : NULL;
    char chunk[8192];
    size_t n;
    int rc = GPUC_OK;
    if (!path)
        return gpuc__error_nomem(err);
    if (!file) {
        rc = gpuc__error_errno(err, errno, "%s", path);
        gpuc__error_remedy(err, "sources.bundle names a directory that a bundle was made in.");
        goto done;
    }
    while ((n = fread(chunk, 1, sizeof(chunk), file)) > 0) {
        if (!gpuc__buf_add(&buf, chunk, n))
            break;
    }
    if (buf.failed || ferror(file) || memchr(gpuc__buf_text(&buf), 0, buf.length))
        rc = bad_bundle(err, dir, "too large, unreadable or binary: ", name);
    else if (!(*out = gpuc__buf_take(&buf)))
        rc = gpuc__error_nomem(err);
done:
    if (file)
        fclose(file);
    gpuc__free(path);
    gpuc__buf_clear(&buf);
    return rc;
}

/* "1.36" of "1.36.4"; false when it is no version. */
static bool minor_of(char *out, size_t size, const char *version, bool *full)
{
    int used = 0, major, minor, patch;
    *full = sscanf(version, "%3d.%3d.%4d%n", &major, &minor, &patch, &used) == 3 &&
            (size_t)used == strlen(version);
    if (!*full && (sscanf(version, "%3d.%3d%n", &major, &minor, &used) != 2 ||
                   (size_t)used != strlen(version)))
        return false;
    snprintf(out, size, "%d.%d", major, minor);
    return true;
}

static int unknown_version(const json_t *minors, const char *version, gpuc_error **err)
{
    gpuc__buf names = GPUC__BUF_INIT(1024);
    const char *name;
    json_t *row;
    json_object_foreach((json_t *)minors, name, row)
    {
        gpuc__buf_printf(&names, "%s%s", names.length ? ", " : "", name);
    }
    gpuc__error_set(err, GPUC_EUNSUPPORTED, GPUC_DOMAIN_SPEC,
                    "kubernetes.version \"%.32s\": this release knows %s", version,
                    gpuc__buf_text(&names));
    gpuc__error_remedy(err, "Write one of them, or a patch version of one, as \"1.36.4\".");
    gpuc__buf_clear(&names);
    return GPUC_EUNSUPPORTED;
}

static int choose_version(resolver *r, const char *wish, gpuc_error **err)
{
    const json_t *minors = json_object_get(json_object_get(r->table, "kubernetes"), "minors");
    const char *bundled = text_of(r->manifest, "kubernetes");
    char minor[16], bundled_minor[16];
    bool full, bundled_full;
    if (!minor_of(minor, sizeof(minor), wish, &full) || !json_object_get(minors, minor))
        return unknown_version(minors, wish, err);
    const json_t *row = json_object_get(minors, minor);
    const char *version = full ? wish : text_of(row, "version");
    if (r->dir) {
        if (!bundled || !minor_of(bundled_minor, sizeof(bundled_minor), bundled, &bundled_full) ||
            !bundled_full)
            return bad_bundle(err, r->dir, "manifest.json does not say its kubernetes version", "");
        if (full ? strcmp(bundled, wish) != 0 : strcmp(bundled_minor, minor) != 0)
            return gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_SPEC,
                                   "the spec wants Kubernetes %s and the bundle %s has %s", wish,
                                   r->dir, bundled);
        version = bundled;
    }
    r->out->kubernetes = gpuc__strdup(version);
    r->out->containerd_min = gpuc__strdup(text_of(row, "containerd_min"));
    if (!r->out->kubernetes || !r->out->containerd_min)
        return gpuc__error_nomem(err);
    return GPUC_OK;
}

/* @VERSION@ and @ARCH@ replaced; arch NULL leaves @ARCH@ for the machine. */
static char *fill(const char *pattern, const char *version, const char *arch)
{
    gpuc__buf buf = GPUC__BUF_INIT(PATH_CHARS);
    for (const char *at = pattern; *at;) {
        if (strncmp(at, "@VERSION@", 9) == 0) {
            gpuc__buf_puts(&buf, version);
            at += 9;
        } else if (arch && strncmp(at, "@ARCH@", 6) == 0) {
            gpuc__buf_puts(&buf, arch);
            at += 6;
        } else {
            gpuc__buf_putc(&buf, *at++);
        }
    }
    char *text = gpuc__buf_take(&buf);
    gpuc__buf_clear(&buf);
    return text;
}

/* "prefix*middle*suffix" against a path; * does not pass a slash. */
static bool matches(const char *pattern, const char *path)
{
    for (; *pattern; pattern++, path++) {
        if (*pattern == '*') {
            for (const char *rest = path;; rest++) {
                if (matches(pattern + 1, rest))
                    return true;
                if (!*rest || *rest == '/')
                    return false;
            }
        }
        if (*pattern != *path)
            return false;
    }
    return !*path;
}

static bool good_sum(const char *text)
{
    return strspn(text, "0123456789abcdef") == 64;
}

/* Relative, without "..", without spaces: it goes into GPUC_FILES, words on lines. */
static bool good_path(const char *path)
{
    size_t n = strlen(path);
    return n > 0 && n < PATH_CHARS && path[0] != '/' && !strstr(path, "..") &&
           strcspn(path, " \t\r\n'\"\\$`") == n;
}

/* The line of SHA256SUMS whose path fits. sum gets 64 digits; the path is borrowed up to its end. */
static bool find_sum(const resolver *r, const char *pattern, char sum[65], char *path, size_t size)
{
    for (const char *line = r->sums; line && *line;) {
        size_t n = strcspn(line, "\n");
        if (n > 66 && n - 66 < size && good_sum(line)) {
            const char *name = line + 66; /* after two spaces, or a space and a star */
            memcpy(path, name, n - 66);
            path[n - 66] = 0;
            memcpy(sum, line, 64);
            sum[64] = 0;
            if (matches(pattern, path))
                return true;
        }
        line += n + (line[n] == '\n');
    }
    return false;
}

static gpuc__bundle_file *add_file(resolver *r, const char *name, const char *sum, const char *path,
                                   gpuc_error **err)
{
    gpuc__sources *s = r->out;
    if (!good_path(path)) {
        bad_bundle(err, r->dir, "a bad path in it: ", path);
        return NULL;
    }
    if (s->bundle_count == FILES_MAX) {
        bad_bundle(err, r->dir, "too many files in it", "");
        return NULL;
    }
    gpuc__bundle_file *grown = gpuc__realloc(s->bundle, (s->bundle_count + 1) * sizeof(*grown));
    if (!grown) {
        gpuc__error_nomem(err);
        return NULL;
    }
    s->bundle = grown;
    gpuc__bundle_file *file = &grown[s->bundle_count];
    memset(file, 0, sizeof(*file));
    s->bundle_count++;
    file->name = gpuc__strdup(name);
    file->sha256 = gpuc__strdup(sum);
    file->path = gpuc__asprintf("%s/%s", r->dir, path);
    if (!file->name || !file->sha256 || !file->path) {
        gpuc__error_nomem(err);
        return NULL;
    }
    gpuc__buf_printf(&r->files, "%s %s %s - -\n", name, sum, path);
    return file;
}

static int add_artifact(resolver *r, const json_t *row, gpuc_error **err)
{
    const char *name = text_of(row, "name"), *pattern = text_of(row, "path");
    const char *version = text_of(row, "version"), *suffix = text_of(row, "checksum");
    bool fixed = strcmp(version, "kubernetes") == 0; /* no other version will do */
    char sum[65], found[PATH_CHARS];
    char *glob = fill(pattern, fixed ? r->out->kubernetes : "*", r->dir ? "amd64" : NULL);
    char *path = fill(pattern, fixed ? r->out->kubernetes : version, NULL);
    char *checksum = suffix ? gpuc__asprintf("%s%s", path ? path : "", suffix)
                            : fill(text_of(row, "checksum_path"), version, NULL);
    int rc = GPUC_OK;
    if (!glob || !path || !checksum)
        rc = gpuc__error_nomem(err);
    else if (!r->dir)
        gpuc__buf_printf(&r->files, "%s - %s %s %s\n", name, path, checksum, glob);
    else if (!find_sum(r, glob, sum, found, sizeof(found)))
        rc = bad_bundle(err, r->dir, "SHA256SUMS does not list ", glob);
    else if (!add_file(r, name, sum, found, err))
        rc = GPUC_EINVAL;
    gpuc__free(glob);
    gpuc__free(path);
    gpuc__free(checksum);
    return rc;
}

static bool known_archive(const resolver *r, const char *archive)
{
    for (size_t i = 0; i < r->out->bundle_count; i++) {
        const char *path = r->out->bundle[i].path + strlen(r->dir) + 1;
        if (strcmp(path, archive) == 0)
            return true;
    }
    return false;
}

/* Archives of images, each once; "for" says which machines run what is in them. */
static int add_images(resolver *r, gpuc_error **err)
{
    const json_t *images = json_object_get(r->manifest, "images");
    size_t i;
    json_t *row;
    char sum[65], found[PATH_CHARS], name[PATH_CHARS + 32];
    json_array_foreach(images, i, row)
    {
        const char *archive = text_of(row, "archive"), *whom = text_of(row, "for");
        bool control = whom && strcmp(whom, "control-plane") == 0;
        bool gpu = whom && strcmp(whom, "gpu") == 0;
        if (!archive || !good_path(archive))
            return bad_bundle(err, r->dir, "manifest.json: an image without a good archive", "");
        if (known_archive(r, archive))
            continue;
        if (!find_sum(r, archive, sum, found, sizeof(found)))
            return bad_bundle(err, r->dir, "SHA256SUMS does not list ", archive);
        snprintf(name, sizeof(name), "image-%s:%s",
                 control ? "control-plane"
                 : gpu   ? "gpu"
                         : "node",
                 archive);
        gpuc__bundle_file *file = add_file(r, name, sum, found, err);
        if (!file)
            return GPUC_EINVAL;
        file->control_plane_only = control;
        file->gpu_only = gpu;
    }
    return GPUC_OK;
}

int gpuc__bundle_manifest(json_t **out, const char *bundle, gpuc_error **err)
{
    char *text = NULL;
    int rc = read_file(&text, bundle, "manifest.json", err);
    json_t *manifest = rc == GPUC_OK ? json_loads(text, 0, NULL) : NULL;
    gpuc__free(text);
    if (rc == GPUC_OK && !json_is_object(manifest)) {
        json_decref(manifest);
        return bad_bundle(err, bundle, "manifest.json is not a JSON object", "");
    }
    if (rc == GPUC_OK)
        *out = manifest;
    return rc;
}

static int read_bundle(resolver *r, gpuc_error **err)
{
    int rc = gpuc__bundle_manifest(&r->manifest, r->dir, err);
    return rc < 0 ? rc : read_file(&r->sums, r->dir, "SHA256SUMS", err);
}

static int resolve(resolver *r, const char *version, gpuc_error **err)
{
    const gpuc__data *data = gpuc__data_get("recipe/artifacts.json");
    size_t i;
    json_t *row;
    int rc = GPUC_OK;
    r->table = data ? json_loadb(data->text, data->length, 0, NULL) : NULL;
    if (!r->table)
        return gpuc__error_nomem(err);
    if (r->dir)
        rc = read_bundle(r, err);
    if (rc == GPUC_OK)
        rc = choose_version(r, version, err);
    json_array_foreach(json_object_get(r->table, "files"), i, row)
    {
        if (rc == GPUC_OK)
            rc = add_artifact(r, row, err);
    }
    if (rc == GPUC_OK && r->dir)
        rc = add_images(r, err);
    if (rc == GPUC_OK && !(r->out->files = gpuc__buf_take(&r->files)))
        rc = gpuc__error_nomem(err);
    return rc;
}

int gpuc__sources_resolve(gpuc__sources *out, const char *version, const char *bundle,
                          gpuc_error **err)
{
    gpuc__sources found = {0};
    resolver r = {.out = &found, .dir = bundle, .files = GPUC__BUF_INIT(256 * 1024)};
    int rc = resolve(&r, version, err);
    json_decref(r.table);
    json_decref(r.manifest);
    gpuc__free(r.sums);
    gpuc__buf_clear(&r.files);
    if (rc == GPUC_OK)
        *out = found;
    else
        gpuc__sources_clear(&found);
    return rc;
}
