/* SPDX-License-Identifier: Apache-2.0 */
/* Finding the daemon: its socket, which of the two it is, whether it trusts us, the project. */
#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/context.h"
#include "provider/local/local.h"
#include "util/alloc.h"
#include "util/error.h"

#define INSTALL                                                                                    \
    "install one: on Debian 13 or Ubuntu 24.04 `apt-get install incus` and `incus admin init "     \
    "--minimal`; on Debian 12 `apt-get install lxd` and `lxd init --auto`; or name its socket in " \
    "provider.socket"

static const char *const usual_sockets[] = {
    "/var/lib/incus/unix.socket",
    "/run/incus/unix.socket",
    "/var/snap/lxd/common/lxd/unix.socket",
    "/var/lib/lxd/unix.socket",
};

/* New string; NULL with *err untouched: none was found. */
char *gpuc__local_find_socket(const gpuc__spec_model *spec)
{
    const char *incus = getenv("INCUS_SOCKET"), *lxd = getenv("LXD_DIR");

    if (spec->provider_socket)
        return gpuc__strdup(spec->provider_socket);
    if (incus && *incus)
        return gpuc__strdup(incus);
    if (lxd && *lxd)
        return gpuc__asprintf("%s/unix.socket", lxd);
    for (size_t i = 0; i < sizeof(usual_sockets) / sizeof(usual_sockets[0]); i++) {
        /* a folder that may not be entered hides a daemon that may not be used: say that */
        if (access(usual_sockets[i], F_OK) == 0 || errno == EACCES)
            return gpuc__strdup(usual_sockets[i]);
    }
    return NULL;
}

const char *gpuc__local_program(const gpuc__provider *provider)
{
    bool incus = provider->trusted ? provider->incus
                                   : provider->socket && strstr(provider->socket, "incus") != NULL;

    return incus ? "incus" : "lxc";
}

const char *gpuc__local_daemon(const gpuc__provider *provider)
{
    return strcmp(gpuc__local_program(provider), "incus") == 0 ? "Incus" : "LXD";
}

/* The group that may use the socket; "" when it cannot be told. */
static void socket_group(const char *path, char *out, size_t size)
{
    char buffer[1024];
    struct group entry, *found = NULL;
    struct stat about;

    out[0] = '\0';
    if (stat(path, &about) == 0 &&
        getgrgid_r(about.st_gid, &entry, buffer, sizeof(buffer), &found) == 0 && found &&
        about.st_gid != 0)
        snprintf(out, size, "%s", found->gr_name);
}

static void deny(gpuc__local_task *task, gpuc_error **err)
{
    const gpuc__provider *p = task->provider;
    bool incus = strcmp(gpuc__local_program(p), "incus") == 0;
    char group[64];

    socket_group(p->socket, group, sizeof(group));
    gpuc__error_remedy(err, "add yourself to the group %s (`sudo usermod -aG %s $USER`, then log "
                            "in again), or run this as root",
                       group[0] ? group : incus ? "incus-admin" : "lxd",
                       group[0] ? group : incus ? "incus-admin" : "lxd");
}

/* Adds to an error of the connection what to do about the daemon. */
static void explain(gpuc__local_task *task, gpuc_error **err)
{
    gpuc__provider *p = task->provider;
    bool incus = strcmp(gpuc__local_program(p), "incus") == 0;
    int code = gpuc_error_code(*err);

    if (code == GPUC_EPERM) {
        gpuc__error_wrap(err, code, GPUC_DOMAIN_PROVIDER,
                         "the %s daemon on %s may not be used by this user", gpuc__local_daemon(p),
                         p->socket);
        deny(task, err);
    } else if (code == GPUC_ENOTFOUND) {
        gpuc__error_wrap(err, code, GPUC_DOMAIN_PROVIDER,
                         "no Incus or LXD daemon listens on %s", p->socket);
        gpuc__error_remedy(err, INSTALL);
    } else if (code == GPUC_ENETWORK) {
        gpuc__error_wrap(err, code, GPUC_DOMAIN_PROVIDER,
                         "the daemon of the socket %s does not answer", p->socket);
        gpuc__error_remedy(err, "start it: `systemctl start %s`; its log says why it ended",
                           incus ? "incus" : "lxd");
    }
}

static void lose_daemon(gpuc__provider *provider)
{
    gpuc__http_unref(provider->http);
    provider->http = NULL;
    provider->trusted = false;
}

static void on_projects(gpuc__local_task *task, const gpuc__local_answer *answer, gpuc_error *error)
{
    gpuc__buf names = GPUC__BUF_INIT(2048);
    gpuc_error *missing = NULL;
    json_t *project;
    size_t i;

    if (error) {
        gpuc__local_end(task, error);
        return;
    }
    json_array_foreach(answer->metadata, i, project) {
        const char *name = json_string_value(json_object_get(project, "name"));

        if (name)
            gpuc__buf_printf(&names, "%s%s", names.length ? ", " : "", name);
    }
    gpuc__error_set(&missing, GPUC_ENOTFOUND, GPUC_DOMAIN_PROVIDER,
                    "%s has no project %s; it has: %s", gpuc__local_daemon(task->provider),
                    task->provider->spec->provider_project, gpuc__buf_text(&names));
    gpuc__error_remedy(&missing, "name one of them in provider.project, or make it: `%s project "
                                 "create %s`",
                       gpuc__local_program(task->provider),
                       task->provider->spec->provider_project);
    gpuc__buf_clear(&names);
    lose_daemon(task->provider); /* the next task asks again */
    gpuc__local_end(task, missing);
}

static void on_project(gpuc__local_task *task, const gpuc__local_answer *answer, gpuc_error *error)
{
    if (error && answer->status == 404) {
        gpuc_error_unref(error);
        gpuc__local_call(task, "GET", gpuc__strdup("/1.0/projects?recursion=1"), NULL, on_projects);
    } else if (error) {
        gpuc__local_end(task, error);
    } else {
        task->provider->trusted = true;
        task->then(task);
    }
}

static void on_server(gpuc__local_task *task, const gpuc__local_answer *answer, gpuc_error *error)
{
    gpuc__provider *p = task->provider;
    const json_t *environment = json_object_get(answer->metadata, "environment");
    const char *server = json_string_value(json_object_get(environment, "server"));
    const char *auth = json_string_value(json_object_get(answer->metadata, "auth"));
    char *project = NULL;

    if (!error && (!auth || strcmp(auth, "trusted") != 0)) {
        gpuc__error_set(&error, GPUC_EPERM, GPUC_DOMAIN_PROVIDER,
                        "the %s daemon on %s does not trust this user", gpuc__local_daemon(p),
                        p->socket);
        deny(task, &error);
        lose_daemon(p);
        gpuc__local_end(task, error);
        return;
    }
    if (error) {
        explain(task, &error);
        lose_daemon(p);
        gpuc__local_end(task, error);
        return;
    }
    p->incus = server && strcmp(server, "incus") == 0;
    gpuc__log(p->context, GPUC_LOG_DEBUG, "provider", "%s answers on %s",
              server ? server : "a daemon", p->socket);
    project = gpuc__http_escape(p->spec->provider_project ? p->spec->provider_project : "default");
    gpuc__local_call(task, "GET", project ? gpuc__asprintf("/1.0/projects/%s", project) : NULL,
                     NULL, on_project);
    gpuc__free(project);
}

void gpuc__local_open(gpuc__local_task *task)
{
    gpuc__provider *p = task->provider;
    gpuc__http_config config = {.base_url = "http://local", .domain = GPUC_DOMAIN_PROVIDER};
    gpuc_error *error = NULL;

    if (p->trusted) {
        task->then(task);
        return;
    }
    if (!p->http) {
        gpuc__free(p->socket);
        p->socket = gpuc__local_find_socket(p->spec);
        if (!p->socket) {
            gpuc__error_set(&error, GPUC_ENOTFOUND, GPUC_DOMAIN_PROVIDER,
                            "no Incus or LXD daemon was found on this machine");
            gpuc__error_remedy(&error, INSTALL);
            gpuc__local_end(task, error);
            return;
        }
        config.unix_socket = p->socket;
        if (gpuc__http_new(&p->http, p->context, &config, &error) != GPUC_OK) {
            gpuc__local_end(task, error);
            return;
        }
    }
    gpuc__local_call(task, "GET", gpuc__strdup("/1.0"), NULL, on_server);
}
