/* SPDX-License-Identifier: Apache-2.0 */
/* The folders of the store: where they are, who may read them, what file system they lie on, and
 * how they go. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "core/store_internal.h"
#include "util/alloc.h"
#include "util/error.h"

#define NAME_MAX_BYTES 63
#define TRASH ".deleted-"

/* File systems where SQLite's shared memory does not hold between machines. */
static const unsigned long network_types[] = {
    0x6969ul,     /* NFS */
    0xff534d42ul, /* CIFS */
    0xfe534d42ul, /* SMB2 */
    0x01021997ul, /* 9p */
    0x5346414ful, /* AFS */
};

char *gpuc__store_base(const char *base, gpuc_error **err)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    char *path = NULL;

    if (base && *base)
        path = gpuc__strdup(base);
    else if (state && *state == '/')
        path = gpuc__asprintf("%s/gpucluster", state);
    else if (home && *home == '/')
        path = gpuc__asprintf("%s/.local/state/gpucluster", home);
    else {
        gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_STATE,
                        "neither XDG_STATE_HOME nor HOME names a folder for the state");
        gpuc__error_remedy(err, "set HOME, or give a state folder in the options");
        return NULL;
    }
    if (!path)
        gpuc__error_nomem(err);
    return path;
}

bool gpuc__store_name_valid(const char *name)
{
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.");

    return n > 0 && n <= NAME_MAX_BYTES && name[n] == '\0' && name[0] != '.';
}

int gpuc__store_dir_make(const char *path, gpuc_error **err)
{
    char *part = gpuc__strdup(path);
    int rc = GPUC_OK;

    if (!part)
        return gpuc__error_nomem(err);
    for (char *slash = part + 1; rc == GPUC_OK; slash++) {
        bool last;

        slash += strcspn(slash, "/");
        last = *slash == '\0';
        *slash = '\0';
        if (mkdir(part, 0700) != 0 && errno != EEXIST)
            rc = gpuc__error_errno(err, errno, "cannot make the folder %s", part);
        if (last)
            break;
        *slash = '/';
    }
    gpuc__free(part);
    return rc;
}

int gpuc__store_dir_check(const char *path, bool *network, gpuc_error **err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), rc = GPUC_OK;
    struct stat st;
    struct statfs fs;

    if (fd < 0)
        return gpuc__error_errno(err, errno, "cannot open the state folder %s", path);
    if (fstat(fd, &st) != 0 || fstatfs(fd, &fs) != 0) {
        rc = gpuc__error_errno(err, errno, "cannot examine the state folder %s", path);
    } else if (st.st_uid != geteuid() || (st.st_mode & 077) != 0) {
        rc = gpuc__error_set(err, GPUC_EPERM, GPUC_DOMAIN_STATE,
                             "the state folder %s is open to others (owner %u, mode %04o); it "
                             "holds keys and must be yours with mode 0700",
                             path, (unsigned)st.st_uid, (unsigned)(st.st_mode & 07777));
        gpuc__error_remedy(err, "chmod 700 '%s', after making sure that nobody took its keys",
                           path);
    } else {
        *network = false;
        for (size_t i = 0; i < sizeof(network_types) / sizeof(network_types[0]); i++) {
            if ((unsigned long)(uint32_t)fs.f_type == network_types[i])
                *network = true;
        }
    }
    close(fd);
    return rc;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path) == 0 || errno == ENOENT ? 0 : errno;
}

static int remove_tree(const char *path)
{
    return nftw(path, remove_entry, 8, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

/* What an earlier run that was killed while removing left. Errors do not matter: next time again.
 */
static void sweep(const char *base)
{
    DIR *dir = opendir(base);
    struct dirent *entry;

    while (dir && (entry = readdir(dir))) {
        char *path;

        if (strncmp(entry->d_name, TRASH, sizeof(TRASH) - 1) != 0)
            continue;
        path = gpuc__asprintf("%s/%s", base, entry->d_name);
        if (path)
            remove_tree(path);
        gpuc__free(path);
    }
    if (dir)
        closedir(dir);
}

int gpuc__store_destroy(gpuc__store *store, gpuc_error **err)
{
    char *trash;
    int rc = GPUC_OK;

    if (store->lock_fd < 0)
        return gpuc__error_set(err, GPUC_ESTATE, GPUC_DOMAIN_STATE,
                               "the state of %s cannot be removed without its lock", store->name);
    trash = gpuc__asprintf("%s/" TRASH "%s-%ld-%lld", store->base, store->name, (long)getpid(),
                           (long long)time(NULL));
    if (!trash)
        return gpuc__error_nomem(err);
    gpuc__store_db_close(store);
    /* The rename is the moment at which the cluster is gone; a kill after it leaves only trash. */
    if (rename(store->dir, trash) != 0)
        rc = gpuc__error_errno(err, errno, "cannot remove the state folder %s", store->dir);
    else
        sweep(store->base);
    gpuc__free(trash);
    return rc;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool holds_state(const char *base, const char *name)
{
    char *path = gpuc__asprintf("%s/%s/state.db", base, name);
    bool there = path && access(path, F_OK) == 0;

    gpuc__free(path);
    return there;
}

/* Adds the names of the clusters in dir to an array of the caller's. */
static int read_names(DIR *dir, const char *path, char ***names, size_t *count, gpuc_error **err)
{
    struct dirent *entry;

    while ((entry = readdir(dir))) {
        char **grown;

        if (!gpuc__store_name_valid(entry->d_name) || !holds_state(path, entry->d_name))
            continue;
        grown = gpuc__realloc(*names, (*count + 1) * sizeof(**names));
        if (!grown)
            return gpuc__error_nomem(err);
        *names = grown;
        grown[*count] = gpuc__strdup(entry->d_name);
        if (!grown[*count])
            return gpuc__error_nomem(err);
        ++*count;
    }
    return GPUC_OK;
}

int gpuc__store_list(const char *base, json_t **out, gpuc_error **err)
{
    char *path = gpuc__store_base(base, err), **names = NULL;
    json_t *list = json_array();
    int rc = GPUC_OK;
    size_t count = 0;
    DIR *dir = NULL;

    if (!path)
        rc = err && *err ? gpuc_error_code(*err) : GPUC_EINVAL;
    else if (!(dir = opendir(path)) && errno != ENOENT)
        rc = gpuc__error_errno(err, errno, "cannot read the folder %s", path);
    if (dir) {
        rc = read_names(dir, path, &names, &count, err);
        closedir(dir);
    }
    if (count)
        qsort(names, count, sizeof(*names), by_name);
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(list, json_string(names[i]));
        gpuc__free(names[i]);
    }
    gpuc__free(names);
    gpuc__free(path);
    if (rc == GPUC_OK && json_array_size(list) != count)
        rc = gpuc__error_nomem(err);
    if (rc == GPUC_OK)
        *out = list;
    else
        json_decref(list);
    return rc;
}
