/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a spec's file, and makes its relative paths absolute. */
#include "spec/load.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "spec/handle.h"
#include "spec/read.h"
#include "util/alloc.h"
#include "util/error.h"

static int too_large(const char *path, gpuc_error **err)
{
    gpuc__spec_where where = {.file = path};
    int rc = gpuc__spec_error(err, GPUC_ELIMIT, &where, "larger than the limit of 4 MiB");

    gpuc__error_remedy(err, "Use count for equal machines; is this the file you meant?");
    return rc;
}

static int read_all(gpuc__buf *text, int fd, const char *path, gpuc_error **err)
{
    char chunk[16 * 1024];
    struct stat info;

    if (fstat(fd, &info))
        return gpuc__error_errno(err, errno, "%s: cannot be read", path);
    if (S_ISREG(info.st_mode) && info.st_size > GPUC__SPEC_MAX_BYTES)
        return too_large(path, err);
    for (;;) {
        ssize_t n = read(fd, chunk, sizeof(chunk));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return gpuc__error_errno(err, errno, "%s: cannot be read", path);
        if (n == 0)
            return GPUC_OK;
        if (text->length + (size_t)n > GPUC__SPEC_MAX_BYTES)
            return too_large(path, err);
        if (!gpuc__buf_add(text, chunk, (size_t)n))
            return gpuc__error_nomem(err);
    }
}

/* The folder as an absolute path without links, so that it still holds after a chdir. */
static int folder_of(char **out, const char *path, gpuc_error **err)
{
    const char *slash = strrchr(path, '/');
    char real[PATH_MAX];
    char *folder = slash ? gpuc__strndup(path, (size_t)(slash - path) + 1) : gpuc__strdup(".");
    int rc = GPUC_OK;

    if (!folder)
        return gpuc__error_nomem(err);
    if (!realpath(folder, real)) {
        rc = gpuc__error_errno(err, errno, "%s: its folder cannot be resolved", path);
    } else {
        *out = gpuc__strdup(real);
        rc = *out ? GPUC_OK : gpuc__error_nomem(err);
    }
    gpuc__free(folder);
    return rc;
}

int gpuc__spec_load(gpuc__buf *text, char **folder, const char *path, gpuc_error **err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    int rc;

    if (fd < 0) {
        rc = gpuc__error_errno(err, errno, "%s: cannot be opened", path);
        gpuc__error_remedy(err, "Give the path of a readable spec file.");
        return rc;
    }
    rc = read_all(text, fd, path, err);
    close(fd);
    return rc ? rc : folder_of(folder, path, err);
}

static char *home_folder(void)
{
    const char *home = getenv("HOME");
    struct passwd entry, *found = NULL;
    char text[4096];

    if (home && *home == '/')
        return gpuc__strdup(home);
    if (getpwuid_r(getuid(), &entry, text, sizeof(text), &found) || !found)
        return gpuc__strdup("/");
    return gpuc__strdup(found->pw_dir);
}

static int home_path(char **out, const char *path, const gpuc__spec_where *where, gpuc_error **err)
{
    GPUC__AUTOFREE char *home = NULL;
    int rc;

    if (path[1] && path[1] != '/') {
        rc = gpuc__spec_error(err, GPUC_EINVAL, where,
                              "the home directory of another user; expected a path that begins "
                              "with ~/ or /");
        gpuc__error_remedy(err, "Write the whole path, or ./~… for a file of that name.");
        return rc;
    }
    home = home_folder();
    *out = home ? gpuc__asprintf("%s%s", home, path + 1) : NULL;
    return *out ? GPUC_OK : gpuc__error_nomem(err);
}

int gpuc__spec_here(char **folder, gpuc_error **err)
{
    char here[PATH_MAX];

    if (!getcwd(here, sizeof(here)))
        return gpuc__error_errno(err, errno, "the current directory cannot be read");
    *folder = gpuc__strdup(here);
    return *folder ? GPUC_OK : gpuc__error_nomem(err);
}

int gpuc__spec_absolute(char **out, const gpuc_spec *spec, const char *path,
                        const gpuc__spec_where *where, gpuc_error **err)
{
    if (*path == '~')
        return home_path(out, path, where, err);
    *out = *path == '/' ? gpuc__strdup(path) : gpuc__asprintf("%s/%s", spec->folder, path);
    return *out ? GPUC_OK : gpuc__error_nomem(err);
}
