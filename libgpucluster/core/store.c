/* SPDX-License-Identifier: Apache-2.0 */
/* The store: opening, values, machines, secrets. */
#include "core/store.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/store_internal.h"
#include "util/alloc.h"
#include "util/buf.h"
#include "util/error.h"

#define SECRET_MAX (1024 * 1024)

static int open_dir(gpuc__store *store, bool create, gpuc_error **err)
{
    struct stat st;

    if (stat(store->dir, &st) != 0 && !create) {
        gpuc__error_set(err, GPUC_ENOTFOUND, GPUC_DOMAIN_STATE, "no cluster %s is known in %s",
                        store->name, store->base);
        gpuc__error_remedy(err, "give its spec, or the state folder that it was made with");
        return GPUC_ENOTFOUND;
    }
    if (create) {
        int rc = gpuc__store_dir_make(store->dir, err);

        if (rc != GPUC_OK)
            return rc;
    }
    return gpuc__store_dir_check(store->dir, &store->network, err);
}

int gpuc__store_open(gpuc__store **out, const char *base, const char *name, bool create,
                     char **warning, gpuc_error **err)
{
    gpuc__store *store;
    int rc;

    if (!gpuc__store_name_valid(name))
        return gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_STATE,
                               "\"%s\" cannot name a cluster: letters, digits, -, _ and ., at most "
                               "63 characters",
                               name);
    store = gpuc__calloc(1, sizeof(*store));
    if (!store)
        return gpuc__error_nomem(err);
    store->lock_fd = -1;
    store->base = gpuc__store_base(base, err);
    store->name = gpuc__strdup(name);
    store->dir = store->base ? gpuc__asprintf("%s/%s", store->base, name) : NULL;
    if (!store->base && err && *err)
        rc = gpuc_error_code(*err);
    else if (!store->name || !store->dir)
        rc = gpuc__error_nomem(err);
    else
        rc = open_dir(store, create, err);
    if (rc == GPUC_OK)
        rc = gpuc__store_db_open(store, create, err);
    if (rc != GPUC_OK) {
        gpuc__store_close(store);
        return rc;
    }
    if (warning && store->network)
        *warning = gpuc__asprintf("the state folder %s lies on a network file system: slower, and "
                                  "a crash of the server can damage it; a local folder is better "
                                  "(XDG_STATE_HOME)",
                                  store->dir);
    *out = store;
    return GPUC_OK;
}

void gpuc__store_close(gpuc__store *store)
{
    if (!store)
        return;
    gpuc__store_db_close(store);
    gpuc__store_unlock(store);
    gpuc__store_timing_close(store);
    gpuc__free(store->base);
    gpuc__free(store->name);
    gpuc__free(store->dir);
    gpuc__free(store);
}

const char *gpuc__store_dir(const gpuc__store *store)
{
    return store->dir;
}

/* ---- values ---- */

int gpuc__store_get(gpuc__store *store, const char *machine, const char *key, char **out,
                    gpuc_error **err)
{
    sqlite3_stmt *statement;
    char *value = NULL;
    int rc = gpuc__store_statement(store, GPUC__SQL_GET, &statement, err);

    if (rc != GPUC_OK)
        return rc;
    sqlite3_bind_text(statement, 1, machine ? machine : "", -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 2, key, -1, SQLITE_STATIC);
    rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW) {
        value = gpuc__strdup((const char *)sqlite3_column_text(statement, 0));
        rc = value ? GPUC_OK : gpuc__error_nomem(err);
    } else {
        rc = rc == SQLITE_DONE ? GPUC_OK : gpuc__store_db_error(store, rc, "reading", err);
    }
    sqlite3_reset(statement);
    if (rc == GPUC_OK)
        *out = value;
    return rc;
}

int gpuc__store_set_soon(gpuc__store *store, const char *machine, const char *key,
                         const char *value, gpuc_error **err)
{
    int rc = gpuc__store_write_begin(store, err);

    if (rc == GPUC_OK && machine && *machine && value)
        rc = gpuc__store_exec(store, GPUC__SQL_MACHINE_ADD, machine, NULL, NULL, err);
    if (rc == GPUC_OK)
        rc = gpuc__store_exec(store, value ? GPUC__SQL_SET : GPUC__SQL_UNSET,
                              machine ? machine : "", key, value, err);
    return rc;
}

int gpuc__store_set(gpuc__store *store, const char *machine, const char *key, const char *value,
                    gpuc_error **err)
{
    int rc = gpuc__store_set_soon(store, machine, key, value, err), end;

    end = gpuc__store_write_end(store, rc == GPUC_OK ? err : NULL);
    return rc == GPUC_OK ? end : rc;
}

int gpuc__store_machines(gpuc__store *store, json_t **out, gpuc_error **err)
{
    sqlite3_stmt *statement;
    json_t *list;
    int rc = gpuc__store_statement(store, GPUC__SQL_MACHINES, &statement, err);

    if (rc != GPUC_OK)
        return rc;
    list = json_array();
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW)
        json_array_append_new(list, json_string((const char *)sqlite3_column_text(statement, 0)));
    sqlite3_reset(statement);
    if (rc != SQLITE_DONE || !list) {
        json_decref(list);
        return gpuc__store_db_error(store, rc, "listing machines", err);
    }
    *out = list;
    return GPUC_OK;
}

int gpuc__store_forget_machine(gpuc__store *store, const char *machine, gpuc_error **err)
{
    int rc = gpuc__store_write_begin(store, err), end;

    if (rc != GPUC_OK)
        return rc;
    for (int i = GPUC__SQL_FORGET_VALUES; rc == GPUC_OK && i <= GPUC__SQL_FORGET_MACHINE; i++)
        rc = gpuc__store_exec(store, i, machine, NULL, NULL, err);
    end = gpuc__store_write_end(store, rc == GPUC_OK ? err : NULL);
    return rc == GPUC_OK ? end : rc;
}

/* ---- secrets ---- */

static char *secret_path(gpuc__store *store, const char *name, const char *suffix, gpuc_error **err)
{
    char *path = NULL;

    if (!gpuc__store_name_valid(name))
        gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_STATE, "\"%s\" cannot name a secret", name);
    else if (!(path = gpuc__asprintf("%s/secrets/%s%s", store->dir, name, suffix)))
        gpuc__error_nomem(err);
    return path;
}

static int read_all(int fd, const char *path, gpuc__buf *text, gpuc_error **err)
{
    char chunk[4096];
    ssize_t n;

    while ((n = read(fd, chunk, sizeof(chunk))) > 0) {
        if (!gpuc__buf_add(text, chunk, (size_t)n))
            return gpuc__error_set(err, GPUC_ELIMIT, GPUC_DOMAIN_STATE,
                                   "%s is larger than %d bytes", path, SECRET_MAX);
    }
    return n == 0 ? GPUC_OK : gpuc__error_errno(err, errno, "cannot read %s", path);
}

int gpuc__store_get_secret(gpuc__store *store, const char *name, char **out, gpuc_error **err)
{
    gpuc__buf text = GPUC__BUF_INIT(SECRET_MAX);
    char *path = secret_path(store, name, "", err), *value = NULL;
    struct stat st;
    int fd, rc = GPUC_OK;

    if (!path)
        return gpuc__store_name_valid(name) ? GPUC_ENOMEM : GPUC_EINVAL;
    fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        rc = errno == ENOENT ? GPUC_OK : gpuc__error_errno(err, errno, "cannot open %s", path);
    } else if (fstat(fd, &st) != 0 || (st.st_mode & 077)) {
        rc = gpuc__error_set(err, GPUC_EPERM, GPUC_DOMAIN_STATE, "%s can be read by others", path);
        gpuc__error_remedy(err, "chmod 600 '%s', and replace the secret if somebody read it", path);
    } else {
        rc = read_all(fd, path, &text, err);
        if (rc == GPUC_OK && !(value = gpuc__strdup(gpuc__buf_text(&text))))
            rc = gpuc__error_nomem(err);
    }
    if (fd >= 0)
        close(fd);
    if (text.data)
        explicit_bzero(text.data, text.length);
    gpuc__buf_clear(&text);
    gpuc__free(path);
    if (rc == GPUC_OK)
        *out = value;
    return rc;
}

static int write_file(const char *path, const char *value, gpuc_error **err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    size_t left = strlen(value);
    bool ok = fd >= 0 && fchmod(fd, 0600) == 0;

    while (ok && left) {
        ssize_t n = write(fd, value, left);

        ok = n > 0;
        if (ok) {
            value += n;
            left -= (size_t)n;
        }
    }
    ok = ok && fsync(fd) == 0;
    if (!ok)
        gpuc__error_errno(err, errno, "cannot write %s", path);
    if (fd >= 0)
        close(fd);
    return ok ? GPUC_OK : GPUC_EIO;
}

static int sync_dir(const char *path, gpuc_error **err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = GPUC_OK;

    if (fd < 0 || fsync(fd) != 0)
        rc = gpuc__error_errno(err, errno, "cannot flush the folder %s", path);
    if (fd >= 0)
        close(fd);
    return rc;
}

int gpuc__store_set_secret(gpuc__store *store, const char *name, const char *value,
                           gpuc_error **err)
{
    char *path = secret_path(store, name, "", err), *dir = NULL, *temporary = NULL;
    int rc;

    if (!path)
        return gpuc__store_name_valid(name) ? GPUC_ENOMEM : GPUC_EINVAL;
    dir = gpuc__asprintf("%s/secrets", store->dir);
    temporary = gpuc__asprintf("%s/.new", dir ? dir : "");
    if (!dir || !temporary)
        rc = gpuc__error_nomem(err);
    else if (store->lock_fd < 0)
        rc = gpuc__error_set(err, GPUC_ESTATE, GPUC_DOMAIN_STATE,
                             "the secrets of %s cannot be written without its lock", store->name);
    else if (!value)
        rc = unlink(path) == 0 || errno == ENOENT
                 ? GPUC_OK
                 : gpuc__error_errno(err, errno, "cannot remove %s", path);
    else {
        rc = gpuc__store_dir_make(dir, err);
        if (rc == GPUC_OK)
            rc = write_file(temporary, value, err);
        if (rc == GPUC_OK && rename(temporary, path) != 0)
            rc = gpuc__error_errno(err, errno, "cannot put %s in its place", path);
        if (rc == GPUC_OK)
            rc = sync_dir(dir, err);
    }
    gpuc__free(temporary);
    gpuc__free(dir);
    gpuc__free(path);
    return rc;
}
