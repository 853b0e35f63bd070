/* SPDX-License-Identifier: Apache-2.0 */
/* gcloud's commands that would do the same, for `plan --shell`. */
#include <inttypes.h>
#include <string.h>

#include "provider/gce/machines.h"
#include "util/alloc.h"
#include "util/quote.h"

#define SHELL_MAX (64 * 1024)

static void add_word(gpuc__buf *out, char *word) /* consumed */
{
    gpuc__buf_puts(out, " \\\n    ");
    gpuc__quote_shell(out, word ? word : "");
    out->failed = out->failed || !word;
    gpuc__free(word);
}

static void add_project(gpuc__buf *out, const gpuc__provider *provider)
{
    if (provider->project)
        add_word(out, gpuc__asprintf("--project=%s", provider->project));
}

static char *labels_text(const gpuc__provider *provider, const gpuc__machine_model *machine)
{
    gpuc__buf text = GPUC__BUF_INIT(SHELL_MAX);

    gpuc__buf_printf(&text, GPUC__GCE_LABEL "=%s," GPUC__GCE_LABEL_NAME "=%s,"
                            GPUC__GCE_LABEL_MACHINE "=%s",
                     provider->uuid, provider->spec->name, machine->name);
    for (char **l = provider->spec->labels; l && *l; l++)
        gpuc__buf_printf(&text, ",%s", *l);
    return gpuc__buf_take(&text);
}

/* Items are parted by what no key line has. */
static void add_metadata(gpuc__buf *out, const gpuc__provider *provider,
                         const gpuc__machine_model *machine)
{
    gpuc__buf text = GPUC__BUF_INIT(SHELL_MAX);
    bool own_key = !provider->spec->project_ssh_key;

    gpuc__buf_printf(&text, "--metadata=^;;^block-project-ssh-keys=%s;;"
                            "enable-guest-attributes=TRUE;;enable-oslogin=FALSE",
                     own_key ? "TRUE" : "FALSE");
    if (own_key && provider->public_key)
        gpuc__buf_printf(&text, ";;ssh-keys=%s:%s", machine->user, provider->public_key);
    add_word(out, gpuc__buf_take(&text));
}

static void add_network(gpuc__buf *out, const gpuc__provider *provider,
                        const gpuc__machine_model *machine)
{
    const gpuc__spec_model *spec = provider->spec;
    char *any = gpuc__gce_tag(provider, 0), *own = gpuc__gce_tag(provider, machine->role);

    add_word(out, gpuc__asprintf("--network=%s", spec->network ? spec->network : "default"));
    if (spec->subnetwork)
        add_word(out, gpuc__asprintf("--subnet=%s", spec->subnetwork));
    if (!spec->external_ip)
        add_word(out, gpuc__strdup("--no-address"));
    add_word(out, any && own ? gpuc__asprintf("--tags=%s,%s", any, own) : NULL);
    gpuc__free(any);
    gpuc__free(own);
}

static void add_scheduling(gpuc__buf *out, const gpuc__provider *provider,
                           const gpuc__machine_model *machine, const gpuc__gce_shape *shape)
{
    int64_t ttl = provider->spec->ttl_s;

    if (shape->gpu || shape->spot)
        add_word(out, gpuc__strdup("--maintenance-policy=TERMINATE"));
    if (shape->spot)
        add_word(out, gpuc__strdup("--provisioning-model=SPOT"));
    if (ttl > 0)
        add_word(out, gpuc__asprintf("--max-run-duration=%" PRId64 "s", ttl));
    if (shape->spot || ttl > 0)
        add_word(out, gpuc__strdup("--instance-termination-action=DELETE"));
    if (machine->reservation) {
        add_word(out, gpuc__strdup("--reservation-affinity=specific"));
        add_word(out, gpuc__asprintf("--reservation=%s", machine->reservation));
    }
    if (machine->secure_boot)
        add_word(out, gpuc__strdup("--shielded-secure-boot"));
}

static void add_hardware(gpuc__buf *out, const gpuc__gce_shape *shape)
{
    add_word(out, gpuc__asprintf("--machine-type=%s", shape->machine_type));
    if (shape->accelerator)
        add_word(out, gpuc__asprintf("--accelerator=type=%s,count=%d", shape->accelerator,
                                     shape->accelerator_count));
    add_word(out, gpuc__asprintf("--image-project=%s", shape->image_project));
    add_word(out, gpuc__asprintf("--image-family=%s", shape->image_family));
    if (shape->disk_gb > 0)
        add_word(out, gpuc__asprintf("--boot-disk-size=%dGB", shape->disk_gb));
    if (shape->disk_type)
        add_word(out, gpuc__asprintf("--boot-disk-type=%s", shape->disk_type));
}

static void add_account(gpuc__buf *out, const char *email)
{
    if (email && strcmp(email, "none") == 0) {
        add_word(out, gpuc__strdup("--no-service-account"));
        add_word(out, gpuc__strdup("--no-scopes"));
    } else if (email && strcmp(email, "default") != 0) {
        add_word(out, gpuc__asprintf("--service-account=%s", email));
    }
}

static void add_create(gpuc__buf *out, const gpuc__provider *provider,
                       const gpuc__machine_model *machine, const gpuc__gce_shape *shape,
                       const char *name)
{
    char **zones = provider->spec->zones;
    const char *zone = zones ? zones[0] : NULL;
    char *labels = labels_text(provider, machine);

    if (zone) {
        gpuc__buf_printf(out, "gcloud compute instances create %s", name);
        add_word(out, gpuc__asprintf("--zone=%s", zone));
    } else {
        gpuc__buf_puts(out, "gcloud compute instances bulk create");
        add_word(out, gpuc__asprintf("--predefined-names=%s", name));
        add_word(out, gpuc__strdup("--count=1"));
        add_word(out, gpuc__asprintf("--region=%s",
                                     provider->spec->region ? provider->spec->region : "REGION"));
    }
    add_project(out, provider);
    add_hardware(out, shape);
    add_scheduling(out, provider, machine, shape);
    add_network(out, provider, machine);
    add_account(out, provider->spec->service_account);
    add_metadata(out, provider, machine);
    add_word(out, labels ? gpuc__asprintf("--labels=%s", labels) : NULL);
    gpuc__buf_puts(out, "\n");
    if (zone && labels) {
        gpuc__buf_printf(out, "gcloud compute disks add-labels %s", name);
        add_word(out, gpuc__asprintf("--zone=%s", zone));
        add_project(out, provider);
        add_word(out, gpuc__asprintf("--labels=%s", labels));
        gpuc__buf_puts(out, "\n");
    }
    gpuc__free(labels);
}

/* The zone is where it was made: gcloud is asked. */
static void add_destroy(gpuc__buf *out, const gpuc__provider *provider, const char *name)
{
    gpuc__buf_printf(out, "gcloud compute instances delete --quiet %s", name);
    add_project(out, provider);
    gpuc__buf_puts(out, " \\\n    --zone=\"$(gcloud compute instances list");
    if (provider->project) {
        gpuc__buf_puts(out, " --project=");
        gpuc__quote_shell(out, provider->project);
    }
    gpuc__buf_printf(out, " --filter='name=%s AND labels." GPUC__GCE_LABEL "=%s'", name,
                     provider->uuid);
    gpuc__buf_puts(out, " --format='value(zone)')\"\n");
}

char *gpuc__gce_shell(gpuc__provider *provider, const gpuc__machine_model *machine, bool destroy)
{
    gpuc__buf out = GPUC__BUF_INIT(SHELL_MAX);
    char *name = gpuc__gce_instance_name(provider->spec->name, machine->name);
    gpuc__gce_shape shape;

    if (!name)
        return NULL;
    if (destroy)
        add_destroy(&out, provider, name);
    else if (gpuc__gce_catalogue_shape(&shape, provider->catalogue, machine, NULL) == GPUC_OK)
        add_create(&out, provider, machine, &shape, name);
    else
        gpuc__buf_puts(&out, "# this machine cannot be made: see `gpucluster plan`\n");
    gpuc__free(name);
    return gpuc__buf_take(&out);
}
