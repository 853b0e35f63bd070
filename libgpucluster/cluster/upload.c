/* SPDX-License-Identifier: Apache-2.0 */
/* The bundle's files to a machine's content store: /var/lib/gpucluster/files/SHA256. A file is moved
 * there only after the machine has computed its sum, so what is there is whole. */
#include <string.h>

#include "cluster/action.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/quote.h"

#define STORE "/var/lib/gpucluster/files"
#define INCOMING "/var/tmp/gpucluster-incoming" /* the login user may write there, unlike the store */
#define SCRIPT_TIMEOUT_MS 300000

typedef struct upload {
    bool *missing; /* by index into sources.bundle */
    size_t next;   /* the file to look at next */
} upload;

static const gpuc__sources *sources(const gpuc__action *action)
{
    return &action->cluster->sources;
}

static bool for_here(const gpuc__action *action, const gpuc__bundle_file *file)
{
    if (file->control_plane_only && action->member->role != GPUC__ROLE_CONTROL_PLANE)
        return false;
    return !file->gpu_only || action->member->gpus;
}

static bool wanted(const gpuc__action *action, size_t i)
{
    const gpuc__bundle_file *files = sources(action)->bundle;

    for (size_t j = 0; j < i; j++) {
        if (for_here(action, &files[j]) && strcmp(files[j].sha256, files[i].sha256) == 0)
            return false; /* the same bytes under another name */
    }
    return for_here(action, &files[i]);
}

static void finish(gpuc__action *action, gpuc__verdict verdict, const char *detail,
                   gpuc_error *error)
{
    upload *u = action->work;

    if (u)
        gpuc__free(u->missing);
    gpuc__free(u);
    action->work = NULL;
    action->ssh_op = NULL;
    if (!gpuc__action_was_cancelled(action, error))
        gpuc__action_answer(action, verdict, detail, error);
}

static void finish_nomem(gpuc__action *action)
{
    gpuc_error *error = NULL;

    gpuc__error_nomem(&error);
    finish(action, GPUC__VERDICT_UNKNOWN, NULL, error);
}

static void fail_status(gpuc__action *action, int status, const char *text, size_t length)
{
    gpuc_error *error = NULL;

    gpuc__error_set(&error, GPUC_EREMOTE, GPUC_DOMAIN_MACHINE,
                    "%s: the machine could not take the bundle's files", action->member->name);
    gpuc__error_native(&error, status);
    gpuc__error_evidence(&error, text, length);
    gpuc__error_remedy(&error, "see that /var has room for the bundle, then run `up` again");
    finish(action, GPUC__VERDICT_UNKNOWN, NULL, error);
}

static void run(gpuc__action *action, const char *script, gpuc__remote_fn done)
{
    gpuc_error *error = NULL;

    action->ssh_op = gpuc__remote_run(action->member->remote, script, strlen(script),
                                      SCRIPT_TIMEOUT_MS, done, action, &error);
    if (!action->ssh_op)
        finish(action, GPUC__VERDICT_UNKNOWN, NULL, error);
}

/* Which files the listing lacks. */
static size_t find_missing(gpuc__action *action, upload *u, const char *listing)
{
    const gpuc__sources *s = sources(action);
    size_t count = 0;

    for (size_t i = 0; i < s->bundle_count; i++) {
        u->missing[i] = wanted(action, i) && !strstr(listing, s->bundle[i].sha256);
        count += u->missing[i];
    }
    return count;
}

static void upload_next(gpuc__action *action);

static void on_listed(void *data, int status, const char *out, size_t out_length, const char *errout,
                      size_t errout_length, gpuc_error *error)
{
    gpuc__action *action = data;
    upload *u = action->work;
    char detail[80];
    size_t count;

    (void)out_length;
    if (error || action->cancelled) {
        finish(action, GPUC__VERDICT_UNKNOWN, NULL, error);
        return;
    }
    if (status) {
        fail_status(action, status, errout, errout_length);
        return;
    }
    count = find_missing(action, u, out);
    snprintf(detail, sizeof(detail), "%zu of %zu files to upload", count,
             sources(action)->bundle_count);
    if (action->acting)
        upload_next(action);
    else
        finish(action, count ? GPUC__VERDICT_NEEDED : GPUC__VERDICT_PRESENT, detail, NULL);
}

static void list(gpuc__action *action, const char *before)
{
    upload *u = gpuc__calloc(1, sizeof(*u));
    char *script;

    if (u)
        u->missing = gpuc__calloc(sources(action)->bundle_count + 1, sizeof(*u->missing));
    action->work = u;
    if (!u || !u->missing) {
        finish_nomem(action);
        return;
    }
    script = gpuc__asprintf("%s\nif [ -d " STORE " ]; then ls -1 " STORE "; fi\n", before);
    if (script)
        run(action, script, on_listed);
    else
        finish_nomem(action);
    gpuc__free(script);
}

void gpuc__upload_probe(gpuc__action *action)
{
    list(action, "");
}

static void on_stored(void *data, int status, const char *out, size_t out_length, const char *errout,
                      size_t errout_length, gpuc_error *error)
{
    gpuc__action *action = data;

    (void)out;
    (void)out_length;
    if (error || action->cancelled)
        finish(action, GPUC__VERDICT_UNKNOWN, NULL, error);
    else if (status)
        fail_status(action, status, errout, errout_length);
    else
        upload_next(action);
}

/* Checks the sum on the machine and moves the file to the store. */
static void on_uploaded(void *data, gpuc_error *error)
{
    gpuc__action *action = data;
    upload *u = action->work;
    const char *sum = sources(action)->bundle[u->next].sha256;
    char script[700];

    if (error || action->cancelled) {
        finish(action, GPUC__VERDICT_UNKNOWN, NULL, error);
        return;
    }
    u->next++;
    snprintf(script, sizeof(script),
             "set -eu\ncd " INCOMING "\necho '%s  %s' | sha256sum -c - >/dev/null\n"
             "chown root:root %s\nchmod 0755 %s\nmv -f %s " STORE "/%s\n",
             sum, sum, sum, sum, sum, sum);
    run(action, script, on_stored);
}

static void on_cleaned(void *data, int status, const char *out, size_t out_length,
                       const char *errout, size_t errout_length, gpuc_error *error)
{
    (void)status;
    (void)out;
    (void)out_length;
    (void)errout;
    (void)errout_length;
    finish(data, GPUC__VERDICT_PRESENT, NULL, error);
}

static void upload_next(gpuc__action *action)
{
    const gpuc__sources *s = sources(action);
    upload *u = action->work;
    char remote[200];

    while (u->next < s->bundle_count && !u->missing[u->next])
        u->next++;
    if (u->next == s->bundle_count) {
        run(action, "rm -rf " INCOMING "\n", on_cleaned);
        return;
    }
    gpuc__node_progress(action->node, s->bundle[u->next].name);
    snprintf(remote, sizeof(remote), INCOMING "/%s", s->bundle[u->next].sha256);
    action->ssh_op = gpuc__ssh_upload(action->member->ssh, s->bundle[u->next].path, remote, 0600,
                                      on_uploaded, action);
    if (!action->ssh_op)
        finish_nomem(action);
}

void gpuc__upload_act(gpuc__action *action)
{
    char *user = gpuc__quote_shell_dup(action->member->info.user), *before = NULL;

    if (user)
        before = gpuc__asprintf("set -eu\numask 077\nmkdir -p " STORE "\nrm -rf " INCOMING
                                "\nmkdir " INCOMING "\nchown %s " INCOMING,
                                user);
    if (before)
        list(action, before);
    else
        finish_nomem(action);
    gpuc__free(before);
    gpuc__free(user);
}

char *gpuc__upload_shell(const gpuc__action *action)
{
    gpuc__buf out = GPUC__BUF_INIT(256 * 1024);
    const gpuc__sources *s = sources(action);

    for (size_t i = 0; i < s->bundle_count; i++) {
        if (!wanted(action, i))
            continue;
        gpuc__buf_puts(&out, "sftp put ");
        gpuc__quote_shell(&out, s->bundle[i].path);
        gpuc__buf_printf(&out, " " STORE "/%s\n", s->bundle[i].sha256);
    }
    return gpuc__buf_take(&out);
}
