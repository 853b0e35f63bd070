/* SPDX-License-Identifier: Apache-2.0 */
/* Preloaded into the client: kills it at one exact point of one request. GPUC_KILL_AT is
 * "before:N", "after:N" or "answer:N": before the N-th mutation (from 1) is handed to the kernel,
 * right after that, or when the first bytes of its answer have been read. GPUC_KILL_COUNT names a
 * file that gets one line for each mutation. */
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int seen, answer_fd = -1;

static int wanted(const char *when)
{
    const char *at = getenv("GPUC_KILL_AT");
    size_t n = strlen(when);

    return at && strncmp(at, when, n) == 0 && at[n] == ':' && strtol(at + n + 1, NULL, 10) == seen;
}

static void note(const char *bytes, size_t length)
{
    const char *path = getenv("GPUC_KILL_COUNT"), *end = memchr(bytes, '\r', length);
    int fd = path ? open(path, O_WRONLY | O_CREAT | O_APPEND, 0600) : -1;

    if (fd < 0)
        return;
    dprintf(fd, "%.*s\n", end ? (int)(end - bytes) : 40, bytes);
    close(fd);
}

/* Waits are no mutations: nothing comes of them. */
static int is_mutation(const char *bytes, size_t length)
{
    const char *end = memchr(bytes, '\r', length);

    if (length < 7 || !end)
        return 0;
    if (memmem(bytes, (size_t)(end - bytes), "requestId=", 10) == NULL)
        return 0;
    return memcmp(bytes, "POST ", 5) == 0 || memcmp(bytes, "DELETE ", 7) == 0;
}

ssize_t send(int fd, const void *bytes, size_t length, int flags)
{
    ssize_t (*real)(int, const void *, size_t, int) =
        (ssize_t(*)(int, const void *, size_t, int))dlsym(RTLD_NEXT, "send");
    ssize_t sent;

    if (!is_mutation(bytes, length))
        return real(fd, bytes, length, flags);
    seen++;
    note(bytes, length);
    if (wanted("before"))
        raise(SIGKILL);
    sent = real(fd, bytes, length, flags);
    if (wanted("after"))
        raise(SIGKILL);
    if (wanted("answer"))
        answer_fd = fd;
    return sent;
}

ssize_t recv(int fd, void *bytes, size_t length, int flags)
{
    ssize_t (*real)(int, void *, size_t, int) =
        (ssize_t(*)(int, void *, size_t, int))dlsym(RTLD_NEXT, "recv");
    ssize_t got = real(fd, bytes, length, flags);

    if (fd == answer_fd && got > 0)
        raise(SIGKILL);
    return got;
}
