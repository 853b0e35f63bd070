/* SPDX-License-Identifier: Apache-2.0 */
/* Small files with secrets: read whole, with a limit, and never waited for. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "provider/gce/auth_internal.h"
#include "util/alloc.h"
#include "util/error.h"

#define FILE_MAX (256 * 1024)

static int open_file(int *out, const char *path, bool *exposed, gpuc_error **err)
{
    int rc = GPUC_OK, fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat about;

    if (fd < 0 || fstat(fd, &about) != 0) {
        rc = gpuc__error_errno(err, errno, "reading %s", path);
        gpuc__error_remedy(err, "check the path, and that you may read it");
    } else if (!S_ISREG(about.st_mode)) { /* a pipe or device could block or never end */
        rc = gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_PROVIDER, "%s is not a regular file",
                             path);
        gpuc__error_remedy(err, "give the path of a file");
    }
    if (rc != GPUC_OK) {
        if (fd >= 0)
            close(fd);
        return rc;
    }
    if (exposed)
        *exposed = (about.st_mode & (S_IRGRP | S_IROTH)) != 0;
    *out = fd;
    return GPUC_OK;
}

static int check_read(ssize_t last, size_t length, const char *bytes, const char *path,
                      gpuc_error **err)
{
    int rc = GPUC_OK;

    if (last < 0)
        return gpuc__error_errno(err, errno, "reading %s", path);
    if (length > FILE_MAX) {
        rc = gpuc__error_set(err, GPUC_ELIMIT, GPUC_DOMAIN_PROVIDER,
                             "%s is larger than the %d bytes that a credential may have", path,
                             FILE_MAX);
        gpuc__error_remedy(err, "check that it is the right file: a key file has about 2400 bytes");
    } else if (memchr(bytes, 0, length)) {
        rc = gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_PROVIDER,
                             "%s is not text: it holds zero bytes", path);
        gpuc__error_remedy(err, "give a file in JSON; a key in the old P12 format must be made "
                                "again with --key-file-type=json");
    }
    return rc;
}

int gpuc__gce_read_file(char **out, const char *path, bool *exposed, gpuc_error **err)
{
    char *bytes = NULL;
    size_t length = 0;
    ssize_t n = 0;
    int fd = -1, rc = open_file(&fd, path, exposed, err);

    if (rc != GPUC_OK)
        return rc;
    bytes = gpuc__malloc(FILE_MAX + 2); /* at once: growing would leave copies behind */
    if (!bytes) {
        rc = gpuc__error_nomem(err);
        goto done;
    }
    while (length <= FILE_MAX && (n = read(fd, bytes + length, FILE_MAX + 1 - length)) > 0)
        length += (size_t)n;
    rc = check_read(n, length, bytes, path, err);
    if (rc == GPUC_OK) {
        *out = gpuc__strndup(bytes, length);
        if (!*out)
            rc = gpuc__error_nomem(err);
    }
    OPENSSL_cleanse(bytes, length);
done:
    gpuc__free(bytes);
    close(fd);
    return rc;
}

size_t gpuc__gce_one_word(const char *text, const char **start)
{
    size_t length = 0;

    text += strspn(text, " \t\r\n");
    while (text[length] > ' ' && text[length] < 0x7f)
        length++;
    *start = text;
    return text[length + strspn(text + length, " \t\r\n")] ? 0 : length;
}

int gpuc__gce_read_token_file(char **out, const char *path, gpuc_error **err)
{
    char *text = NULL;
    const char *start;
    size_t length;
    int rc = gpuc__gce_read_file(&text, path, NULL, err);

    if (rc != GPUC_OK)
        return rc;
    length = gpuc__gce_one_word(text, &start);
    if (!length) {
        rc = gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_PROVIDER,
                             "%s (CLOUDSDK_AUTH_ACCESS_TOKEN_FILE) does not hold an access token "
                             "alone", path);
        gpuc__error_remedy(err, "write into it what gcloud auth print-access-token prints, and "
                                "nothing else");
    } else {
        *out = gpuc__strndup(start, length);
        if (!*out)
            rc = gpuc__error_nomem(err);
    }
    gpuc__free_secret(text);
    return rc;
}
