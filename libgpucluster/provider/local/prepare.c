/* SPDX-License-Identifier: Apache-2.0 */
/* What is put into a machine through the daemon's file API. Its host key is made here and pushed
 * before the first start, so that it is known from the first connection on. */
#include <stdlib.h>
#include <string.h>

#include "provider/local/local.h"
#include "transport/ssh_key.h"
#include "util/alloc.h"
#include "util/error.h"

#define NAME_MAX_BYTES 300

typedef struct file {
    const char *path; /* below the user's home when it does not begin with / */
    int mode;
    bool directory;
    bool users;       /* belongs to the login user, else to root */
} file;

static const file files[] = {
    {"/etc/ssh/ssh_host_ed25519_key", 0600, false, false},
    {"/etc/ssh/ssh_host_ed25519_key.pub", 0644, false, false},
    {".ssh", 0700, true, true},
    {".ssh/authorized_keys", 0600, false, true},
};
#define FILE_COUNT (sizeof(files) / sizeof(files[0]))

static char *files_path(gpuc__local_task *task, const char *path)
{
    char *escaped = gpuc__http_escape(path);
    char *whole = escaped ? gpuc__asprintf("/1.0/instances/%s/files?path=%s", task->instance,
                                           escaped)
                          : NULL;

    gpuc__free(escaped);
    return whole;
}

static void pull(gpuc__local_task *task, const char *path, gpuc__local_next next)
{
    gpuc__local_call_raw(task, "GET", files_path(task, path), NULL, NULL, 0, next);
}

static void push(gpuc__local_task *task, const char *path, const file *as, const char *text,
                 gpuc__local_next next)
{
    const char *vendor = task->provider->incus ? "Incus" : "LXD";
    char lines[4][64];
    const char *headers[] = {lines[0], lines[1], lines[2], lines[3],
                             "Content-Type: application/octet-stream", NULL};

    snprintf(lines[0], sizeof(lines[0]), "X-%s-type: %s", vendor,
             as->directory ? "directory" : "file");
    snprintf(lines[1], sizeof(lines[1]), "X-%s-mode: %04o", vendor, (unsigned int)as->mode);
    snprintf(lines[2], sizeof(lines[2]), "X-%s-uid: %ld", vendor, as->users ? task->uid : 0);
    snprintf(lines[3], sizeof(lines[3]), "X-%s-gid: %ld", vendor, as->users ? task->gid : 0);
    gpuc__local_call_raw(task, "POST", files_path(task, path), headers, text, strlen(text), next);
}

static void push_next(gpuc__local_task *task);

static void on_pushed(gpuc__local_task *task, const gpuc__local_answer *answer, gpuc_error *error)
{
    const file *as = &files[task->file_index];

    if (error && as->directory && answer->status >= 400) /* it may be there; the next file tells */
        error = gpuc_error_unref(error);
    if (error) {
        if (answer->status >= 400)
            gpuc__error_remedy(&error, "the image must have an OpenSSH server, and a home for %s",
                               task->model->user);
        gpuc__local_end(task, error);
        return;
    }
    task->file_index++;
    push_next(task);
}

static const char *text_of(const gpuc__local_task *task, const file *as)
{
    if (as->directory)
        return "";
    if (as->users)
        return task->provider->public_key;
    return as->mode == 0600 ? task->private_key : task->public_key;
}

static void push_next(gpuc__local_task *task)
{
    const file *as = &files[task->file_index];
    GPUC__AUTOFREE char *path = NULL, *text = NULL;
    gpuc_error *error = NULL;
    size_t length;

    if (task->file_index == FILE_COUNT || (as->users && !task->provider->public_key)) {
        task->then(task);
        return;
    }
    path = as->path[0] == '/' ? gpuc__strdup(as->path)
                              : gpuc__asprintf("%s/%s", task->home, as->path);
    length = strlen(text_of(task, as)); /* a file of lines ends in one */
    text = gpuc__asprintf("%s%s", text_of(task, as),
                          length && text_of(task, as)[length - 1] != '\n' ? "\n" : "");
    if (!path || !text) {
        gpuc__error_nomem(&error);
        gpuc__local_end(task, error);
        return;
    }
    push(task, path, as, text, on_pushed);
}

/* Finds "user:x:uid:gid:gecos:home:shell". */
static bool find_user(gpuc__local_task *task, const char *passwd, const char *user)
{
    size_t length = strlen(user);

    for (const char *line = passwd; line && *line; line = strchr(line, '\n')) {
        int home = 0, end = 0;

        line += *line == '\n';
        if (strncmp(line, user, length) != 0 || line[length] != ':' ||
            sscanf(line + length, ":%*[^:\n]:%ld:%ld:%*[^:\n]:%n%*[^:\n]%n", &task->uid, &task->gid,
                   &home, &end) < 2)
            continue;
        if (!home) /* no comment in the entry */
            sscanf(line + length, ":%*[^:\n]:%ld:%ld::%n%*[^:\n]%n", &task->uid, &task->gid, &home,
                   &end);
        if (end <= home || home == 0)
            continue;
        task->home = gpuc__strndup(line + length + home, (size_t)(end - home));
        return task->home != NULL;
    }
    return false;
}

static void on_passwd(gpuc__local_task *task, const gpuc__local_answer *answer, gpuc_error *error)
{
    const char *user = task->model->user;

    if (!error && !find_user(task, answer->body, user)) {
        gpuc__error_set(&error, GPUC_ENOTFOUND, GPUC_DOMAIN_PROVIDER,
                        "the image %s has no user %s",
                        gpuc__local_image(task->provider, task->model), user);
        gpuc__error_evidence(&error, answer->body, answer->length);
        gpuc__error_remedy(&error, "set ssh.user to a user of the image (Debian's images: debian, "
                                   "Ubuntu's: ubuntu)");
    }
    if (!error)
        gpuc__ssh_key_generate(&task->private_key, &task->public_key, task->machine, &error);
    if (error) {
        gpuc__local_end(task, error);
        return;
    }
    task->doing = "putting its keys into the machine";
    task->file_index = 0;
    push_next(task);
}

void gpuc__local_prepare(gpuc__local_task *task, void (*then)(gpuc__local_task *task))
{
    task->then = then;
    task->doing = "reading the machine's users";
    pull(task, "/etc/passwd", on_passwd);
}

/* An image without the program keeps its own name until it boots again, which harms nothing. */
static void on_name_set(gpuc__local_task *task, const gpuc__local_answer *answer, gpuc_error *error)
{
    if (error && gpuc_error_retryable(error)) {
        gpuc__local_end(task, error);
        return;
    }
    gpuc_error_unref(error);
    task->then(task);
}

static void on_hostname(gpuc__local_task *task, const gpuc__local_answer *answer, gpuc_error *error)
{
    if (error) {
        gpuc__local_end(task, error);
        return;
    }
    gpuc__local_call(task, "POST", gpuc__asprintf("/1.0/instances/%s/exec", task->instance),
                     json_pack("{s:[s,s], s:b, s:b}", "command", "hostname", task->machine,
                               "wait-for-websocket", 0, "interactive", 0),
                     on_name_set);
}

static void on_hosts_pushed(gpuc__local_task *task, const gpuc__local_answer *answer,
                            gpuc_error *error)
{
    const file as = {.mode = 0644};
    char text[NAME_MAX_BYTES];

    if (error) {
        gpuc__local_end(task, error);
        return;
    }
    snprintf(text, sizeof(text), "%s\n", task->machine);
    push(task, "/etc/hostname", &as, text, on_hostname);
}

/* The file again, with 127.0.1.1 for the machine's own names only. */
static void add_hosts(gpuc__buf *out, const char *before, const gpuc__local_task *task)
{
    bool local = false;

    for (const char *line = before; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        local = local || strncmp(line, "127.0.0.1", 9) == 0;
        if (strncmp(line, "127.0.1.1", 9) != 0)
            gpuc__buf_printf(out, "%.*s\n", (int)strcspn(line, "\n"), line);
    }
    if (!local)
        gpuc__buf_puts(out, "127.0.0.1\tlocalhost\n");
    gpuc__buf_printf(out, "127.0.1.1\t%s %s\n", task->machine, task->instance);
}

static void on_hosts(gpuc__local_task *task, const gpuc__local_answer *answer, gpuc_error *error)
{
    const file as = {.mode = 0644};
    gpuc__buf text = GPUC__BUF_INIT(256 * 1024);

    if (error && answer->status == 404)
        error = gpuc_error_unref(error);
    else if (!error)
        add_hosts(&text, answer->body, task);
    if (!text.length && !error)
        add_hosts(&text, "", task);
    if (!error && text.failed)
        gpuc__error_nomem(&error);
    if (error)
        gpuc__local_end(task, error);
    else
        push(task, "/etc/hosts", &as, gpuc__buf_text(&text), on_hosts_pushed);
    gpuc__buf_clear(&text);
}

void gpuc__local_set_name(gpuc__local_task *task, void (*then)(gpuc__local_task *task))
{
    task->then = then;
    task->doing = "giving the machine its name";
    pull(task, "/etc/hosts", on_hosts);
}
