/* SPDX-License-Identifier: Apache-2.0 */
/* A cluster's entries written into the files of a list, each where kubectl would write it. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kube/kubeconfig_internal.h"
#include "util/alloc.h"
#include "util/buf.h"
#include "util/error.h"

typedef struct target {
    const char *path;
    char *real;      /* where links lead; equal to path when it is not there yet */
    char *lock;      /* NULL: not held */
    char *text;      /* as it is now; NULL: not there */
    size_t length;
    gpuc__yaml_node *root;
    bool made;       /* it and its folder may be made */
    unsigned parts;  /* what goes here */
    int set_current;
    char *result;    /* as it will be */
} target;

typedef struct store {
    target *targets;
    size_t count;
    const gpuc__kubeconfig *config;
    gpuc_error **err;
} store;

/* Makes the folders above a path, for the user only. */
static int make_folders(const char *path, gpuc_error **err)
{
    char *folder = gpuc__strdup(path);
    int rc = folder ? GPUC_OK : gpuc__error_nomem(err);

    for (char *p = folder; rc == GPUC_OK && p && (p = strchr(p + 1, '/'));) {
        *p = '\0';
        if (mkdir(folder, 0755) != 0 && errno != EEXIST)
            rc = gpuc__error_errno(err, errno, "making the folder %s", folder);
        *p = '/';
    }
    gpuc__free(folder);
    return rc;
}

/* As kubectl and its kin do it: FILE.lock is there while one of them writes. */
static int take_lock(target *t, gpuc_error **err)
{
    char *lock = gpuc__asprintf("%s.lock", t->path);
    int fd, rc = !lock     ? gpuc__error_nomem(err)
                 : t->made ? make_folders(t->path, err)
                           : GPUC_OK;

    if (rc != GPUC_OK) {
        gpuc__free(lock);
        return rc;
    }
    fd = open(lock, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    if (fd >= 0) {
        close(fd);
        t->lock = lock;
        return GPUC_OK;
    }
    if (errno == ENOENT) { /* no folder, so no file, and none is made here */
        rc = GPUC_OK;
    } else if (errno == EEXIST) {
        rc = gpuc__error_set(err, GPUC_EBUSY, GPUC_DOMAIN_KUBERNETES,
                             "%s is being changed by another program: %s is there", t->path, lock);
        gpuc__error_remedy(err, "try again; when no such program runs, remove %s", lock);
    } else {
        rc = gpuc__error_errno(err, errno, "making %s", lock);
    }
    gpuc__free(lock);
    return rc;
}

static int read_target(target *t, gpuc_error **err)
{
    char real[PATH_MAX];
    gpuc_error *error = NULL;
    int rc;

    t->real = gpuc__strdup(realpath(t->path, real) ? real : t->path);
    if (!t->real)
        return gpuc__error_nomem(err);
    rc = gpuc__kubeconfig_read_file(&t->text, &t->length, t->real, GPUC__YAML_MAX_BYTES, &error);
    if (rc == GPUC_ENOTFOUND) {
        gpuc_error_unref(error);
        return GPUC_OK;
    }
    if (rc == GPUC_OK)
        return gpuc__yaml_parse(&t->root, t->text, t->length, t->path, err);
    if (err)
        *err = error;
    else
        gpuc_error_unref(error);
    return rc;
}

/* Whether a file's list has the entry. */
static bool has_entry(const target *t, const char *list_key, const char *name)
{
    const gpuc__yaml_node *list = gpuc__yaml_get(t->root, list_key);

    for (size_t i = 0; list && list->kind == GPUC__YAML_SEQUENCE && i < list->count; i++) {
        const gpuc__yaml_node *n = gpuc__yaml_get(list->items[i], "name");

        if (n && n->kind == GPUC__YAML_SCALAR && strcmp(n->text, name) == 0)
            return true;
    }
    return false;
}

static bool has_current(const target *t)
{
    const gpuc__yaml_node *node = gpuc__yaml_get(t->root, "current-context");

    return node && node->kind == GPUC__YAML_SCALAR && !node->null && *node->text;
}

/* Says for each entry which file it goes to: the first that has it, else the first that is there,
 * else the last. current-context goes where new entries go, which is where it counts. */
static void assign(store *s, bool set_current)
{
    const gpuc__kubeconfig *c = s->config;
    const struct {
        const char *list, *name;
        unsigned part;
    } entries[] = {{"clusters", c->cluster ? c->cluster : c->context, GPUC__KUBECONFIG_CLUSTER},
                   {"users", c->user ? c->user : c->context, GPUC__KUBECONFIG_USER},
                   {"contexts", c->context, GPUC__KUBECONFIG_CONTEXT}};
    target *fallback = &s->targets[s->count - 1];
    bool current = false;

    for (size_t i = s->count; i-- > 0;) {
        if (s->targets[i].text)
            fallback = &s->targets[i];
        current = current || has_current(&s->targets[i]);
    }
    for (size_t e = 0; e < 3; e++) {
        target *to = fallback;

        for (size_t i = s->count; i-- > 0;) {
            if (has_entry(&s->targets[i], entries[e].list, entries[e].name))
                to = &s->targets[i];
        }
        to->parts |= entries[e].part;
    }
    fallback->set_current = set_current || !current;
}

/* Writes beside the file and renames: never half a kubeconfig. Its mode stays, but a file that gets
 * a key becomes its owner's alone. */
static int replace(const target *t, gpuc_error **err)
{
    char *temporary = gpuc__asprintf("%s.XXXXXX", t->real);
    size_t length = strlen(t->result), done = 0;
    struct stat old;
    ssize_t n = 0;
    int fd, rc = GPUC_OK;

    if (!temporary)
        return gpuc__error_nomem(err);
    fd = mkostemp(temporary, O_CLOEXEC); /* 0600 */
    while (fd >= 0 && done < length && (n = write(fd, t->result + done, length - done)) > 0)
        done += (size_t)n;
    if (fd >= 0 && stat(t->real, &old) == 0) {
        (void)!fchown(fd, old.st_uid, old.st_gid); /* root keeps the owner's file the owner's */
        (void)fchmod(fd, old.st_mode & (t->parts & GPUC__KUBECONFIG_USER ? 0700 : 07777));
    }
    if (fd < 0 || done < length || fsync(fd) != 0 || rename(temporary, t->real) != 0) {
        rc = gpuc__error_errno(err, errno ? errno : EIO, "writing %s", t->real);
        gpuc__error_remedy(err, "check that you may write there and that the disk is not full");
        if (fd >= 0)
            unlink(temporary);
    }
    if (fd >= 0)
        close(fd);
    gpuc__free(temporary);
    return rc;
}

/* All texts are made before the first file is changed. */
static int change(store *s, gpuc__buf *written)
{
    int rc = GPUC_OK;

    for (size_t i = 0; rc == GPUC_OK && i < s->count; i++) {
        target *t = &s->targets[i];

        if (t->parts || t->set_current)
            rc = gpuc__kubeconfig_merge_part(&t->result, t->text ? t->text : "", t->length, t->path,
                                             s->config, t->parts, t->set_current, s->err);
    }
    for (size_t i = 0; rc == GPUC_OK && i < s->count; i++) {
        target *t = &s->targets[i];

        if (!t->result || (t->text && strcmp(t->result, t->text) == 0))
            continue;
        rc = replace(t, s->err);
        if (rc == GPUC_OK)
            gpuc__buf_printf(written, "%s%s", written->length ? ":" : "", t->path);
    }
    return rc;
}

static void release(store *s)
{
    for (size_t i = 0; i < s->count; i++) {
        target *t = &s->targets[i];

        if (t->lock)
            unlink(t->lock);
        gpuc__free(t->lock);
        gpuc__free(t->real);
        gpuc__yaml_free(t->root);
        gpuc__free_secret(t->text);
        gpuc__free_secret(t->result);
    }
    gpuc__free(s->targets);
}

static int by_path(const void *a, const void *b)
{
    return strcmp((*(target *const *)a)->path, (*(target *const *)b)->path);
}

/* In the order of their names, as kubectl does, so that no two wait for one another. */
static int lock_all(store *s)
{
    target *order[GPUC__KUBECONFIG_LIST_MAX];
    bool any = false;
    int rc = GPUC_OK;

    for (size_t i = 0; i < s->count; i++) {
        order[i] = &s->targets[i];
        any = any || access(order[i]->path, F_OK) == 0;
    }
    order[s->count - 1]->made = !any;
    qsort(order, s->count, sizeof(order[0]), by_path);
    for (size_t i = 0; rc == GPUC_OK && i < s->count; i++)
        rc = take_lock(order[i], s->err);
    for (size_t i = 0; rc == GPUC_OK && i < s->count; i++)
        rc = read_target(&s->targets[i], s->err);
    return rc;
}

int gpuc__kubeconfig_store(char **written, const char *list, const gpuc__kubeconfig *config,
                           bool set_current, gpuc_error **err)
{
    gpuc__buf changed = GPUC__BUF_INIT(1024 * 1024);
    store s = {.config = config, .err = err};
    char **paths = NULL, *text = NULL;
    bool given;
    int rc = gpuc__kubeconfig_paths(&paths, &given, list, err);

    if (rc != GPUC_OK)
        return rc;
    while (paths[s.count])
        s.count++;
    s.targets = gpuc__calloc(s.count + 1, sizeof(*s.targets));
    for (size_t i = 0; s.targets && i < s.count; i++)
        s.targets[i].path = paths[i];
    if (!s.targets)
        rc = gpuc__error_nomem(err);
    else if (!s.count)
        rc = gpuc__error_set(err, GPUC_ENOTFOUND, GPUC_DOMAIN_KUBERNETES,
                             "there is no file to write to: neither KUBECONFIG nor HOME is set");
    if (rc == GPUC_OK)
        rc = lock_all(&s);
    if (rc == GPUC_OK) {
        assign(&s, set_current);
        rc = change(&s, &changed);
    }
    if (rc == GPUC_OK && written && !(text = gpuc__strdup(gpuc__buf_text(&changed))))
        rc = gpuc__error_nomem(err);
    if (rc == GPUC_OK && written)
        *written = text;
    if (s.targets)
        release(&s);
    gpuc__buf_clear(&changed);
    gpuc__kubeconfig_free_list(paths);
    return rc;
}
