/* SPDX-License-Identifier: Apache-2.0 */
/* From the tree to the model: defaults, absolute paths, and what the schema cannot say. */
#include "spec/model.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "spec/build.h"
#include "util/alloc.h"
#include "util/buf.h"
#include "util/error.h"

int gpuc__build_fail(const gpuc__build *build, const gpuc__spec_node *node, const char *path,
                     const char *remedy, const char *format, ...)
{
    gpuc__spec_where where = {build->spec->file, node ? node->line : 0, node ? node->column : 0,
                              path};
    gpuc__buf text = GPUC__BUF_INIT(8192);
    va_list args;
    int rc;

    va_start(args, format);
    gpuc__buf_vprintf(&text, format, args);
    va_end(args);
    rc = text.failed ? gpuc__error_nomem(build->err)
                     : gpuc__spec_error(build->err, GPUC_EINVAL, &where, "%s",
                                        gpuc__buf_text(&text));
    gpuc__error_remedy(build->err, "%s", remedy);
    gpuc__buf_clear(&text);
    return rc;
}

int gpuc__build_text(const gpuc__build *build, char **out, const gpuc__spec_node *value,
                     const char *otherwise)
{
    const char *text = value && value->text ? value->text : otherwise;

    *out = gpuc__strdup(text);
    return text && !*out ? gpuc__error_nomem(build->err) : GPUC_OK;
}

bool gpuc__build_true(const gpuc__spec_node *value)
{
    return value && value->integer;
}

int gpuc__build_path(const gpuc__build *build, char **out, const gpuc__spec_node *value,
                     const char *key, const char *otherwise)
{
    const char *text = value && value->text ? value->text : otherwise;
    gpuc__spec_where where = {build->spec->file, value ? value->line : 0,
                              value ? value->column : 0, key};

    if (!text)
        return GPUC_OK;
    return gpuc__spec_absolute(out, build->spec, text, &where, build->err);
}

int gpuc__build_list(const gpuc__build *build, char ***out, const gpuc__spec_node *value)
{
    bool list = value && value->type == GPUC__SPEC_LIST;
    size_t count = list ? value->count : value ? 1 : 0;

    *out = gpuc__calloc(count + 1, sizeof(**out));
    if (!*out)
        return gpuc__error_nomem(build->err);
    for (size_t i = 0; i < count; i++) {
        const gpuc__spec_node *one = list ? value->entries[i].value : value;
        int rc = gpuc__build_text(build, &(*out)[i], one, "");

        if (rc)
            return rc;
    }
    return GPUC_OK;
}

static int build_provider(const gpuc__build *b)
{
    static const struct {
        const char *name;
        gpuc__provider_kind kind;
    } kinds[] = {
        {"ssh", GPUC__PROVIDER_SSH}, {"local", GPUC__PROVIDER_LOCAL}, {"gce", GPUC__PROVIDER_GCE}};
    const gpuc__spec_node *provider = gpuc__spec_at(b->spec, "provider");
    const char *kind = gpuc__spec_node_text(provider, "kind", "");
    gpuc__spec_model *m = b->model;
    int rc;

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strcmp(kind, kinds[i].name) == 0)
            m->provider = kinds[i].kind;
    }
    rc = gpuc__schema_check_provider(b->spec->schema, b->spec->root, kind, b->spec->file, b->err);
    if (!rc)
        rc = gpuc__build_path(b, &m->provider_socket, gpuc__spec_node_get(provider, "socket"),
                              "provider.socket", NULL);
    if (!rc)
        rc = gpuc__build_text(b, &m->provider_project, gpuc__spec_node_get(provider, "project"),
                              m->provider == GPUC__PROVIDER_GCE ? NULL : "default");
    if (!rc)
        rc = gpuc__build_text(b, &m->provider_image, gpuc__spec_node_get(provider, "image"), NULL);
    return rc;
}

static int build_sources(const gpuc__build *b)
{
    const gpuc__spec_node *sources = gpuc__spec_at(b->spec, "sources");
    const gpuc__spec_node *mirror = gpuc__spec_node_get(sources, "mirror");
    const gpuc__spec_node *bundle = gpuc__spec_node_get(sources, "bundle");
    gpuc__spec_model *m = b->model;
    int rc;

    if (mirror && bundle)
        return gpuc__build_fail(b, bundle, "sources.bundle",
                                "Keep sources.mirror or sources.bundle, and remove the other.",
                                "given beside sources.mirror; expected one source");
    rc = gpuc__build_text(b, &m->source_mirror, mirror, NULL);
    if (!rc)
        rc = gpuc__build_path(b, &m->source_bundle, bundle, "sources.bundle", NULL);
    return rc;
}

/* The pattern says what it looks like; the port's range it cannot say. */
static int check_jump(const gpuc__build *b, const gpuc__spec_node *jump)
{
    const char *text = jump ? jump->text : "";
    const char *port = strrchr(text, ':');

    if (!port || strchr(port, ']'))
        return GPUC_OK;
    if (strlen(port + 1) > 5 || strtol(port + 1, NULL, 10) < 1 ||
        strtol(port + 1, NULL, 10) > 65535)
        return gpuc__build_fail(b, jump, "ssh.jump", "Correct the port, or leave it out for 22.",
                                "\"%s\" is no port; expected a port from 1 to 65535", port + 1);
    return GPUC_OK;
}

static int build_ssh(const gpuc__build *b)
{
    const gpuc__spec_node *ssh = gpuc__spec_at(b->spec, "ssh");
    const gpuc__spec_node *policy = gpuc__spec_node_get(ssh, "host_key_policy");
    const gpuc__spec_node *jump = gpuc__spec_node_get(ssh, "jump");
    gpuc__spec_model *m = b->model;
    /* Of a cloud's machine the guest agent makes whatever user has a key; ubuntu is there anyhow. */
    const char *user = m->provider == GPUC__PROVIDER_LOCAL ? "debian"
                       : m->provider == GPUC__PROVIDER_GCE ? "ubuntu"
                                                           : "";
    int rc;

    m->ssh_agent = gpuc__build_true(gpuc__spec_node_get(ssh, "agent"));
    m->ssh_trust_first_use = policy && strcmp(policy->text, "trust-on-first-use") == 0;
    rc = check_jump(b, jump);
    if (!rc)
        rc = gpuc__build_text(b, &m->ssh_user, gpuc__spec_node_get(ssh, "user"), user);
    if (!rc)
        rc = gpuc__build_path(b, &m->ssh_identity, gpuc__spec_node_get(ssh, "identity"),
                              "ssh.identity", NULL);
    if (!rc)
        rc = gpuc__build_text(b, &m->ssh_passphrase_env,
                              gpuc__spec_node_get(ssh, "passphrase_env"), NULL);
    if (!rc)
        rc = gpuc__build_path(b, &m->ssh_known_hosts, gpuc__spec_node_get(ssh, "known_hosts"),
                              "ssh.known_hosts",
                              m->provider == GPUC__PROVIDER_SSH ? "~/.ssh/known_hosts" : NULL);
    if (!rc)
        rc = gpuc__build_text(b, &m->ssh_jump, jump, NULL);
    if (!rc)
        rc = gpuc__build_list(b, &m->ssh_jump_host_keys,
                              gpuc__spec_node_get(ssh, "jump_host_keys"));
    if (!rc)
        rc = gpuc__build_text(b, &m->ssh_sudo_password_env,
                              gpuc__spec_node_get(ssh, "sudo_password_env"), NULL);
    return rc;
}

static int build_all(const gpuc__build *b)
{
    const gpuc_spec *spec = b->spec;
    gpuc__spec_where where = {.file = spec->file};
    gpuc__spec_model *m = b->model;
    int rc = gpuc__schema_check(spec->schema, gpuc__schema_root(spec->schema), spec->root, &where,
                                b->err);

    if (!rc)
        rc = gpuc__build_text(b, &m->name, gpuc__spec_at(spec, "name"), "");
    if (!rc)
        rc = build_provider(b);
    if (!rc)
        rc = gpuc__build_text(b, &m->kubernetes_version, gpuc__spec_at(spec, "kubernetes.version"),
                              "1.36");
    m->startup_taint = gpuc__build_true(gpuc__spec_at(spec, "kubernetes.startup_taint"));
    if (!rc)
        rc = build_sources(b);
    if (!rc)
        rc = build_ssh(b);
    if (!rc)
        rc = gpuc__build_text(b, &m->gpu_driver, gpuc__spec_at(spec, "gpu.driver"), "auto");
    if (!rc)
        rc = gpuc__build_cloud(b);
    if (!rc)
        rc = gpuc__build_machines(b);
    if (!rc)
        rc = gpuc__build_networks(b);
    if (!rc)
        rc = gpuc__build_checks(b);
    return rc;
}

int gpuc__spec_model_new(gpuc__spec_model **out, const gpuc_spec *spec, gpuc_error **err)
{
    gpuc__build b = {spec, gpuc__calloc(1, sizeof(gpuc__spec_model)), err};
    int rc;

    if (!b.model)
        return gpuc__error_nomem(err);
    rc = build_all(&b);
    if (rc)
        gpuc__spec_model_free(b.model);
    else
        *out = b.model;
    return rc;
}

static void free_list(char **list)
{
    for (size_t i = 0; list && list[i]; i++)
        gpuc__free(list[i]);
    gpuc__free(list);
}

static void machine_clear(gpuc__machine_model *machine)
{
    gpuc__free(machine->name);
    gpuc__free(machine->group);
    gpuc__free(machine->accelerator);
    gpuc__free(machine->host);
    gpuc__free(machine->user);
    gpuc__free(machine->identity);
    free_list(machine->host_keys);
    gpuc__free(machine->memory);
    gpuc__free(machine->image);
    free_list(machine->gpu_devices);
    gpuc__free(machine->machine_type);
    gpuc__free(machine->image_project);
    gpuc__free(machine->image_family);
    gpuc__free(machine->disk_type);
    gpuc__free(machine->reservation);
}

static void cloud_clear(gpuc__spec_model *model)
{
    free_list(model->zones);
    gpuc__free(model->region);
    free_list(model->labels);
    gpuc__free(model->network);
    gpuc__free(model->subnetwork);
    gpuc__free(model->service_account);
    for (size_t i = 0; i < model->expose_count; i++)
        free_list(model->exposes[i].from);
    gpuc__free(model->exposes);
}

void gpuc__spec_model_free(gpuc__spec_model *model)
{
    if (!model)
        return;
    for (size_t i = 0; i < model->machine_count; i++)
        machine_clear(&model->machines[i]);
    gpuc__free(model->machines);
    cloud_clear(model);
    gpuc__free(model->name);
    gpuc__free(model->provider_socket);
    gpuc__free(model->provider_project);
    gpuc__free(model->provider_image);
    gpuc__free(model->kubernetes_version);
    gpuc__free(model->pod_subnet);
    gpuc__free(model->service_subnet);
    gpuc__free(model->source_mirror);
    gpuc__free(model->source_bundle);
    gpuc__free(model->ssh_user);
    gpuc__free(model->ssh_identity);
    gpuc__free(model->ssh_passphrase_env);
    gpuc__free(model->ssh_known_hosts);
    gpuc__free(model->ssh_jump);
    free_list(model->ssh_jump_host_keys);
    gpuc__free(model->ssh_sudo_password_env);
    gpuc__free(model->gpu_driver);
    json_decref(model->checks);
    gpuc__free(model);
}

const gpuc__machine_model *gpuc__spec_model_machine(const gpuc__spec_model *model, const char *name)
{
    for (size_t i = 0; i < model->machine_count; i++) {
        if (strcmp(model->machines[i].name, name) == 0)
            return &model->machines[i];
    }
    return NULL;
}
