/* SPDX-License-Identifier: Apache-2.0 */
/* What is printed: JSON, and text from elsewhere that must not drive the terminal. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"

void print_clean(FILE *out, const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        /* C0 and DEL; C1 comes as the bytes C2 80 to C2 9F. */
        if ((*p < 0x20 && *p != '\t' && *p != '\n') || *p == 0x7f ||
            (*p == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0))
            fputc('?', out);
        else
            fputc(*p, out);
    }
}

/* Length of the sequence of UTF-8 at p; 0: broken, overlong or a surrogate. */
static size_t sequence(const unsigned char *p)
{
    static const struct {
        unsigned char first, last, low, high, length; /* low, high: of the second byte */
    } forms[] = {
        {0x00, 0x7f, 0x00, 0xff, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };

    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        if (p[0] < forms[i].first || p[0] > forms[i].last)
            continue;
        if (p[1] < forms[i].low || p[1] > forms[i].high)
            return 0;
        for (size_t k = 2; k < forms[i].length; k++) {
            if (p[k] < 0x80 || p[k] > 0xbf)
                return 0;
        }
        return forms[i].length;
    }
    return 0;
}

void keep_utf8(char *text)
{
    for (unsigned char *p = (unsigned char *)text; *p;) {
        size_t length = sequence(p);

        if (!length)
            *p = '?';
        p += length ? length : 1;
    }
}

void print_new(char *text)
{
    if (text)
        fputs(text, stdout);
    if (text && text[0] && text[strlen(text) - 1] != '\n')
        fputc('\n', stdout);
    gpuc_free(text);
}

void print_json(json_t *root)
{
    json_dumpf(root, stdout, JSON_COMPACT);
    fputc('\n', stdout);
    json_decref(root);
}

/* A line break in JSON is white space, and so is the indent after it: within a string it is written
 * otherwise. */
void print_one_line(const char *json)
{
    while (*json) {
        size_t length = strcspn(json, "\n");

        fwrite(json, 1, length, stdout);
        json += length;
        json += strspn(json, "\n ");
    }
}

json_t *take_json(char *text)
{
    json_t *root = text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;

    gpuc_free(text);
    return root ? root : json_null();
}

static bool write_all(int fd, const char *text)
{
    size_t left = strlen(text);

    while (left) {
        ssize_t n = write(fd, text, left);

        if (n < 0 && errno != EINTR)
            return false;
        text += n > 0 ? n : 0;
        left -= n > 0 ? (size_t)n : 0;
    }
    return true;
}

static bool write_beside(const char *path, const char *text, int mode)
{
    size_t length = strlen(path) + 8;
    char *temporary = malloc(length);
    mode_t mask = umask(0);
    int fd = -1, why;
    bool ok;

    umask(mask);
    if (temporary) {
        snprintf(temporary, length, "%s.XXXXXX", path);
        fd = mkstemp(temporary); /* 0600 */
    }
    ok = fd >= 0 && fchmod(fd, (mode_t)mode & ~mask) == 0 && write_all(fd, text) && fsync(fd) == 0 &&
         rename(temporary, path) == 0;
    why = errno;
    if (fd >= 0) {
        close(fd);
        if (!ok)
            unlink(temporary);
    }
    free(temporary);
    errno = why;
    return ok;
}

int write_file(const cli *c, const char *path, const char *text, int mode)
{
    char *real = realpath(path, NULL); /* what a link names is replaced, not the link */
    struct stat there;
    bool ok;

    if (stat(path, &there) == 0 && !S_ISREG(there.st_mode)) {
        int fd = open(path, O_WRONLY | O_CLOEXEC);

        ok = fd >= 0 && write_all(fd, text);
        if (fd >= 0)
            close(fd);
    } else {
        ok = write_beside(real ? real : path, text, mode);
    }
    free(real);
    if (ok)
        return EXIT_DONE;
    usage_error(c, "cannot write %s: %s", path, strerror(errno));
    return EXIT_FAILED;
}
