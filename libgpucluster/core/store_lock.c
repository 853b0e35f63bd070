/* SPDX-License-Identifier: Apache-2.0 */
/* The writer's lock of a cluster, and who holds it. */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/store_internal.h"
#include "util/alloc.h"
#include "util/error.h"

#define HOLDER_MAX 4096

static int open_lock(gpuc__store *store, gpuc_error **err)
{
    char *path = gpuc__asprintf("%s/lock", store->dir);
    int fd = path ? open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600) : -1;

    if (!path)
        gpuc__error_nomem(err);
    else if (fd < 0)
        gpuc__error_errno(err, errno, "cannot open the lock %s", path);
    gpuc__free(path);
    return fd;
}

/* This process's command line, its NULs as spaces. */
static void read_command(char *out, size_t size)
{
    int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, out, size - 1) : -1;

    if (fd >= 0)
        close(fd);
    if (n < 0)
        n = 0;
    while (n > 0 && out[n - 1] == '\0')
        n--;
    for (ssize_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)out[i];

        if (c < 0x20 || c >= 0x7f)
            out[i] = c ? '?' : ' ';
    }
    out[n] = '\0';
}

static json_t *describe_self(const char *what)
{
    char command[512], host[256] = "", started[32] = "", pool[1024];
    struct passwd entry, *found = NULL;
    time_t now = time(NULL);
    struct tm tm;

    read_command(command, sizeof(command));
    if (gethostname(host, sizeof(host) - 1) != 0)
        host[0] = '\0';
    if (gmtime_r(&now, &tm))
        strftime(started, sizeof(started), "%Y-%m-%dT%H:%M:%SZ", &tm);
    if (getpwuid_r(geteuid(), &entry, pool, sizeof(pool), &found) != 0)
        found = NULL;
    return json_pack("{s:s, s:s, s:i, s:s, s:s, s:s}", "user", found ? entry.pw_name : "?", "host",
                     host, "pid", (int)getpid(), "command", command, "what", what, "started",
                     started);
}

static void write_holder(int fd, const char *what)
{
    char text[HOLDER_MAX];
    json_t *self = describe_self(what);
    size_t n = self ? json_dumpb(self, text, sizeof(text), JSON_COMPACT) : 0;

    /* Only for people to read: a failure here must not cost the lock. */
    if (ftruncate(fd, 0) != 0 || n > sizeof(text) || pwrite(fd, text, n, 0) < 0)
        n = 0;
    json_decref(self);
}

static json_t *read_holder(int fd)
{
    char text[HOLDER_MAX];
    ssize_t n = pread(fd, text, sizeof(text), 0);

    return n > 0 ? json_loadb(text, (size_t)n, 0, NULL) : NULL;
}

static const char *field(const json_t *holder, const char *key)
{
    const char *text = json_string_value(json_object_get(holder, key));

    return text && *text ? text : "?";
}

static int refuse(gpuc__store *store, int fd, gpuc_error **err)
{
    json_t *holder = read_holder(fd);

    if (holder)
        gpuc__error_set(err, GPUC_EBUSY, GPUC_DOMAIN_STATE,
                        "the cluster %s is held by %s@%s, process %d (%s), which started \"%s\" at "
                        "%s",
                        store->name, field(holder, "user"), field(holder, "host"),
                        (int)json_integer_value(json_object_get(holder, "pid")),
                        field(holder, "command"), field(holder, "what"), field(holder, "started"));
    else
        gpuc__error_set(err, GPUC_EBUSY, GPUC_DOMAIN_STATE,
                        "the cluster %s is held by another process that has just started",
                        store->name);
    gpuc__error_remedy(err, "wait for it to end, or end it; reading (status) works meanwhile");
    gpuc__error_retryable(err, true);
    json_decref(holder);
    return GPUC_EBUSY;
}

/* Whether fd is still the lock file by its name: the holder before may have removed the cluster. */
static int check_still_there(gpuc__store *store, int fd, gpuc_error **err)
{
    char *path = gpuc__asprintf("%s/lock", store->dir);
    struct stat by_fd, by_path;
    int rc = GPUC_OK;

    if (!path)
        return gpuc__error_nomem(err);
    if (fstat(fd, &by_fd) != 0 || stat(path, &by_path) != 0 || by_fd.st_ino != by_path.st_ino ||
        by_fd.st_dev != by_path.st_dev)
        rc = gpuc__error_set(err, GPUC_ENOTFOUND, GPUC_DOMAIN_STATE,
                             "the cluster %s was removed by another process just now", store->name);
    gpuc__free(path);
    return rc;
}

int gpuc__store_lock(gpuc__store *store, const char *what, gpuc_error **err)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int fd, rc = GPUC_OK;

    if (store->lock_fd >= 0)
        return GPUC_OK;
    fd = open_lock(store, err);
    if (fd < 0)
        return err && *err ? gpuc_error_code(*err) : GPUC_EIO;
    if (fcntl(fd, F_OFD_SETLK, &lock) != 0) {
        if (errno == EAGAIN || errno == EACCES)
            rc = refuse(store, fd, err);
        else
            rc = gpuc__error_errno(err, errno, "cannot lock the cluster %s", store->name);
    } else {
        rc = check_still_there(store, fd, err);
    }
    if (rc != GPUC_OK) {
        close(fd);
        return rc;
    }
    write_holder(fd, what ? what : "?");
    store->lock_fd = fd;
    return GPUC_OK;
}

void gpuc__store_unlock(gpuc__store *store)
{
    if (store->lock_fd < 0)
        return;
    gpuc__store_commit(store, NULL); /* what was to come with the next one */
    gpuc__store_timing_flush(store);
    if (ftruncate(store->lock_fd, 0) != 0) { /* the text is for people only */
    }
    close(store->lock_fd);
    store->lock_fd = -1;
}

json_t *gpuc__store_holder(gpuc__store *store)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    json_t *holder = NULL;
    int fd;

    if (store->lock_fd >= 0)
        return read_holder(store->lock_fd);
    fd = open_lock(store, NULL);
    if (fd < 0)
        return NULL;
    if (fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK) {
        holder = read_holder(fd);
        if (!holder)
            holder = json_pack("{s:s}", "what", "?");
    }
    close(fd);
    return holder;
}
