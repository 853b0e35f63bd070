/* SPDX-License-Identifier: Apache-2.0 */
/* Which firewall rules a cluster has, wants, and what leads from one to the other. */
#include <string.h>

#include "provider/gce/body.h"
#include "provider/gce/shared.h"
#include "util/alloc.h"
#include "util/error.h"

/* What a rule is compared by; its network cannot be changed. */
static const char *const parts[] = {"allowed", "description", "direction", "sourceRanges",
                                    "targetTags"};

static const char *text_at(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

bool gpuc__gce_needs_iap(const gpuc__spec_model *spec)
{
    return !spec->external_ip && !spec->ssh_jump;
}

json_t *gpuc__gce_rules_wanted(const gpuc__provider *provider)
{
    const gpuc__spec_model *spec = provider->spec;
    json_t *wanted = json_array();
    bool ok = wanted != NULL;

    for (size_t i = 0; ok && i < spec->expose_count; i++)
        ok = json_array_append_new(wanted,
                                   gpuc__gce_body_firewall(provider, &spec->exposes[i])) == 0;
    if (ok && gpuc__gce_needs_iap(spec))
        ok = json_array_append_new(wanted, gpuc__gce_body_firewall_iap(provider)) == 0;
    if (ok)
        return wanted;
    json_decref(wanted);
    return NULL;
}

bool gpuc__gce_rule_is_ours(const json_t *rule, const char *uuid)
{
    const char *said = text_at(rule, "description");
    size_t mark = strlen(GPUC__GCE_LABEL "="), length = strlen(uuid);

    return said && strncmp(said, GPUC__GCE_LABEL "=", mark) == 0 &&
           strncmp(said + mark, uuid, length) == 0 &&
           (said[mark + length] == ' ' || !said[mark + length]);
}

static json_t *find(const json_t *rules, const char *name)
{
    json_t *rule;
    size_t i;

    json_array_foreach(rules, i, rule) {
        const char *its = text_at(rule, "name");

        if (its && strcmp(its, name) == 0)
            return rule;
    }
    return NULL;
}

/* Lists of words: the server may give them in another order. */
static bool same_words(const json_t *a, const json_t *b)
{
    json_t *one, *other;
    size_t i, k;

    if (json_array_size(a) != json_array_size(b))
        return false;
    json_array_foreach(a, i, one) {
        bool found = false;

        json_array_foreach(b, k, other) {
            found = found || json_equal(one, other);
        }
        if (!found)
            return false;
    }
    return true;
}

/* The network by its name: the server answers with another host, and may be asked with a URL. */
static bool same_network(const json_t *a, const json_t *b)
{
    const char *one = text_at(a, "network"), *other = text_at(b, "network");

    return one && other && gpuc__gce_same_link(one, other);
}

/* What of the wanted rule differs: new object, empty when nothing does. */
static json_t *difference(const json_t *there, const json_t *wanted)
{
    json_t *body = json_object();

    for (size_t i = 0; body && i < sizeof(parts) / sizeof(parts[0]); i++) {
        json_t *is = json_object_get(there, parts[i]), *be = json_object_get(wanted, parts[i]);

        if (!json_equal(is, be) && !(json_is_array(is) && same_words(is, be)) &&
            json_object_set(body, parts[i], be) != 0) {
            json_decref(body);
            return NULL;
        }
    }
    if (body && json_is_true(json_object_get(there, "disabled")) &&
        json_object_set_new(body, "disabled", json_false()) != 0) {
        json_decref(body);
        return NULL;
    }
    return body;
}

static bool add(json_t *plan, const char *method, const char *name, json_t *body)
{
    json_t *act = json_pack("{s:s, s:s, s:o*}", "method", method, "name", name, "body", body);

    return json_array_append_new(plan, act) == 0;
}

static int foreign(const char *name, gpuc_error **err)
{
    gpuc__error_set(err, GPUC_EEXIST, GPUC_DOMAIN_PROVIDER,
                    "the project has a firewall rule %.63s already, which this cluster did not make",
                    name);
    gpuc__error_remedy(err,
                       "give the cluster another name, or remove the rule yourself (`gcloud compute "
                       "firewall-rules delete %.63s`)",
                       name);
    return GPUC_EEXIST;
}

static int plan_wanted(json_t *plan, const json_t *there, const json_t *wanted, const char *uuid,
                       gpuc_error **err)
{
    json_t *rule;
    size_t i;

    json_array_foreach(wanted, i, rule) {
        const char *name = text_at(rule, "name");
        json_t *is = find(there, name), *body;
        bool ok = true;

        if (is && !gpuc__gce_rule_is_ours(is, uuid))
            return foreign(name, err);
        if (is && !same_network(is, rule)) {
            ok = add(plan, "DELETE", name, NULL) && add(plan, "POST", name, json_incref(rule));
        } else if (is) {
            body = difference(is, rule);
            ok = body && (!json_object_size(body) || add(plan, "PATCH", name, json_incref(body)));
            json_decref(body);
        } else {
            ok = add(plan, "POST", name, json_incref(rule));
        }
        if (!ok)
            return gpuc__error_nomem(err);
    }
    return GPUC_OK;
}

/* A name goes into the path of a request: nothing but a resource's name is taken. */
static bool is_name(const char *text)
{
    return text[0] && strlen(text) < 64 &&
           strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(text);
}

int gpuc__gce_rules_plan(json_t **out, const json_t *there, const json_t *wanted, const char *uuid,
                         gpuc_error **err)
{
    json_t *plan = json_array(), *rule;
    size_t i;
    int rc = plan ? plan_wanted(plan, there, wanted, uuid, err) : gpuc__error_nomem(err);

    json_array_foreach(there, i, rule) {
        const char *name = text_at(rule, "name");

        if (rc == GPUC_OK && name && is_name(name) && gpuc__gce_rule_is_ours(rule, uuid) &&
            !find(wanted, name) && !add(plan, "DELETE", name, NULL))
            rc = gpuc__error_nomem(err);
    }
    if (rc == GPUC_OK)
        *out = plan;
    else
        json_decref(plan);
    return rc;
}
