/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/verify_hosts.h"

#include <string.h>

#include "cluster/look.h"
#include "cluster/provide.h"
#include "cluster/rules.h"
#include "cluster/verify_tally.h"
#include "core/context.h"
#include "core/op.h"
#include "util/alloc.h"
#include "util/error.h"

#define TICK_MS 500
/* Who takes longer to answer is waited for, but keeps nobody from having a turn; so many times as may
 * be under way may be waited for like that. */
#define SLOW_MS 5000
#define SLOW_TIMES 2

typedef struct host {
    struct work *work;
    struct host *next, **link;
    gpuc__member *member;
    gpuc__ssh_op *connecting;
    gpuc__look *look;
    uint64_t since;
    bool slow;  /* has given its turn away */
    bool ready; /* has answered, and is looked at when fewer of the others are */
} host;

typedef struct work {
    gpuc_cluster *cluster;
    gpuc__tally tally;
    gpuc__rules *rules;
    host *hosts; /* those under way */
    size_t next, working, slow; /* slow: those that have given their turn away */
    size_t looking;
    gpuc_error *error; /* of ours, which ends it all */
    uv_timer_t *timer;
    bool cancelled, ended;
} work;

static void fill(work *w);

static bool is_wanted(const gpuc__member *member)
{
    return member->gpus != 0 && member->has_info;
}

static void on_timer_closed(uv_handle_t *handle)
{
    gpuc__free(handle);
}

static void free_work(void *data)
{
    work *w = data;

    if (w->timer)
        uv_close((uv_handle_t *)w->timer, on_timer_closed);
    gpuc_report_unref(w->tally.report);
    gpuc__rules_unref(w->rules);
    gpuc_error_unref(w->error);
    gpuc_cluster_unref(w->cluster);
    gpuc__free(w);
}

static void stop_all(const work *w)
{
    for (const host *h = w->hosts; h; h = h->next) {
        if (h->look)
            gpuc__look_cancel(h->look);
        else if (h->connecting)
            gpuc__ssh_op_cancel(h->connecting);
    }
}

static void cancel_work(gpuc_op *op, void *data)
{
    work *w = data;

    (void)op;
    w->cancelled = true;
    stop_all(w);
}

static const gpuc__op_class verify_class = {"verify", cancel_work, free_work};

static void end_when_done(work *w)
{
    gpuc_error *error = w->error;

    if (w->ended || w->hosts ||
        (w->next < w->cluster->member_count && !w->cancelled && !w->error))
        return;
    w->ended = true;
    w->error = NULL;
    if (!error)
        error = gpuc__tally_end(&w->tally, w->cancelled);
    w->cluster->busy = NULL;
    uv_timer_stop(w->timer);
    gpuc__op_complete(w->tally.op, error);
}

/* ---- one machine ---- */

/* Its connection goes at once: there may be thousands. */
static void free_host(host *h)
{
    gpuc__member *member = h->member;

    *h->link = h->next;
    if (h->next)
        h->next->link = h->link;
    gpuc__remote_set_ssh(member->remote, NULL);
    gpuc__ssh_unref(member->ssh);
    member->ssh = NULL;
    gpuc__free(h);
}

/* Takes the proof, NULL after an error of ours, which is consumed. */
static void host_done(host *h, gpuc__machine_proof *proof, gpuc_error *error)
{
    work *w = h->work;

    if (h->slow)
        w->slow--;
    else
        w->working--;
    free_host(h);
    if (proof)
        gpuc__tally_add(&w->tally, proof, &error);
    if (error && !w->error && !w->cancelled) {
        w->error = error;
        error = NULL;
        stop_all(w);
    }
    gpuc_error_unref(error);
    fill(w);
    end_when_done(w);
}

/* Kubernetes was not asked. */
static int leave_kubernetes_out(gpuc__machine_proof *proof, gpuc_error **err)
{
    static const char *const ids[] = {"k8s.alloc", "k8s.pod", "k8s.compute"};
    int rc = GPUC_OK;

    for (size_t i = 0; rc == GPUC_OK && i < sizeof(ids) / sizeof(ids[0]); i++)
        rc = gpuc__tally_leave_out(proof, ids[i], "the machine was proven as a host", err);
    return rc;
}

/* The machine answered, and with which key. */
static int note_reached(gpuc__machine_proof *proof, const host *h, gpuc_error **err)
{
    const gpuc__machine_info *info = &h->member->info;
    const char *key = gpuc__ssh_host_key(h->member->ssh);
    char seen[400];

    snprintf(seen, sizeof(seen), "%s@%s:%d, host key %.*s %s", info->user, info->address, info->port,
             key ? (int)strcspn(key, " ") : 0, key ? key : "",
             gpuc__ssh_trusted_first_use(h->member->ssh)
                 ? "that was not known before: TRUSTED AT FIRST USE, as asked for"
                 : "as expected");
    return gpuc__proof_set(proof, "host.reach", NULL, GPUC_CHECK_PASS, seen, NULL, NULL, NULL, err);
}

/* What could not be looked at has failed, for the reason given. */
static void host_failed(host *h, gpuc_error *why)
{
    gpuc_error *error = NULL;
    gpuc__machine_proof *proof = gpuc__proof_new(h->member->name, h->work->rules, &error);

    if (proof)
        gpuc__proof_set(proof, "host.reach", NULL, GPUC_CHECK_FAIL, gpuc_error_message(why), NULL,
                        gpuc_error_remedy(why), gpuc_error_evidence(why), &error);
    if (error) {
        gpuc__proof_free(proof);
        proof = NULL;
    }
    gpuc_error_unref(why);
    host_done(h, proof, error);
}

static bool stops(const host *h, gpuc_error *error)
{
    return h->work->cancelled || h->work->error || (error && gpuc_error_code(error) == GPUC_ENOMEM);
}

static void on_look(void *data, gpuc__machine_proof *proof, gpuc_error *error)
{
    host *h = data;

    h->look = NULL;
    h->work->looking--;
    if (stops(h, error)) {
        gpuc__proof_free(proof);
        host_done(h, NULL, error);
    } else if (error) {
        host_failed(h, error);
    } else {
        if (leave_kubernetes_out(proof, &error) == GPUC_OK)
            note_reached(proof, h, &error);
        host_done(h, proof, error);
    }
}

static void look_at(host *h)
{
    gpuc_error *error = NULL;
    const gpuc__look_args args = {.remote = h->member->remote,
                                  .name = h->member->name,
                                  .expected_gpus = h->member->gpus,
                                  .rules = h->work->rules,
                                  .done = on_look,
                                  .data = h};

    if (gpuc__look_start(&h->look, &args, &error) < 0)
        host_failed(h, error);
    else
        h->work->looking++;
}

/* What a machine says takes memory: slow ones that all answer at last do not speak all at once. */
static void on_connected(void *data, gpuc_error *error)
{
    host *h = data;

    h->connecting = NULL;
    if (stops(h, error)) {
        host_done(h, NULL, error);
    } else if (error) {
        host_failed(h, error);
    } else if (h->work->looking >= h->work->cluster->parallel) {
        h->ready = true;
    } else {
        look_at(h);
    }
}

static void start_host(work *w, gpuc__member *member)
{
    gpuc_error *error = NULL;
    host *h = gpuc__calloc(1, sizeof(*h));

    if (h && gpuc__member_connect(member, &error) == GPUC_OK)
        h->connecting = gpuc__ssh_connect(member->ssh, on_connected, h);
    if (!h || !h->connecting) {
        if (!error)
            gpuc__error_nomem(&error);
        w->error = error;
        gpuc__free(h);
        return;
    }
    h->work = w;
    h->member = member;
    h->since = gpuc__clock_ms();
    h->next = w->hosts;
    h->link = &w->hosts;
    if (h->next)
        h->next->link = &h->next;
    w->hosts = h;
    w->working++;
}

/* Once it has ended its error is no longer here. */
static bool goes_on(const work *w)
{
    return !w->cancelled && !w->error && !w->ended;
}

static host *find_ready(const work *w)
{
    host *h = w->hosts;

    while (h && !h->ready)
        h = h->next;
    return h;
}

static void resume(work *w)
{
    host *h;

    while (w->looking < w->cluster->parallel && goes_on(w) && (h = find_ready(w))) {
        h->ready = false;
        look_at(h);
    }
}

/* Begins with as many as may be under way. */
static void fill(work *w)
{
    resume(w);
    while (w->working < w->cluster->parallel && w->next < w->cluster->member_count && goes_on(w)) {
        gpuc__member *member = w->cluster->members[w->next++];

        if (is_wanted(member))
            start_host(w, member);
    }
    if (w->error)
        stop_all(w);
}

/* Nothing is under way for those that wait like that: nothing else would end them. */
static void drop_ready(work *w)
{
    host *h;

    while (!goes_on(w) && (h = find_ready(w)))
        host_done(h, NULL, NULL);
}

static void on_tick(uv_timer_t *timer)
{
    work *w = timer->data;
    uint64_t now = gpuc__clock_ms();

    drop_ready(w);
    for (host *h = w->hosts; h && w->slow < SLOW_TIMES * (size_t)w->cluster->parallel; h = h->next) {
        if (h->connecting && !h->slow && now >= h->since + SLOW_MS) {
            h->slow = true;
            w->slow++;
            w->working--;
        }
    }
    fill(w);
    end_when_done(w);
}

/* ---- the beginning ---- */

/* What all machines share is found wrong once, beforehand. */
static int check_key(gpuc_cluster *cluster, gpuc_error **err)
{
    gpuc__ssh_key *key;

    if (cluster->model->ssh_identity)
        return gpuc__cluster_key(&key, cluster, cluster->model->ssh_identity, err);
    if (cluster->model->ssh_agent || cluster->identity.ssh_private)
        return GPUC_OK;
    gpuc__error_set(err, GPUC_EAUTH, GPUC_DOMAIN_SSH,
                    "there is no key to log in with: cluster %s has not made its own yet",
                    cluster->name);
    gpuc__error_remedy(err, "name one in the spec (ssh.identity), or set ssh.agent");
    return GPUC_EAUTH;
}

static int start_timer(work *w, gpuc_error **err)
{
    w->timer = gpuc__calloc(1, sizeof(*w->timer));
    if (!w->timer)
        return gpuc__error_nomem(err);
    uv_timer_init(gpuc__context_loop(w->cluster->context), w->timer);
    w->timer->data = w;
    uv_timer_start(w->timer, on_tick, 0, TICK_MS);
    return GPUC_OK;
}

static work *new_work(gpuc_cluster *cluster, gpuc_error **err)
{
    work *w = gpuc__calloc(1, sizeof(*w));

    if (w)
        w->tally.report = gpuc__report_new(cluster->name);
    if (!w || !w->tally.report) {
        gpuc__free(w);
        gpuc__error_nomem(err);
        return NULL;
    }
    w->cluster = gpuc_cluster_ref(cluster);
    w->tally.context = cluster->context;
    for (size_t i = 0; i < cluster->member_count; i++)
        w->tally.total += is_wanted(cluster->members[i]);
    return w;
}

int gpuc__verify_hosts_start(gpuc_op **out, gpuc_cluster *cluster, gpuc_error **err)
{
    work *w;
    int rc = check_key(cluster, err);

    if (rc < 0)
        return rc;
    w = new_work(cluster, err);
    if (!w)
        return GPUC_ENOMEM;
    if (!w->tally.total)
        rc = gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_GPU,
                             "there is no machine to verify: none has GPUs declared");
    if (rc == GPUC_OK)
        rc = gpuc__cluster_rules(&w->rules, cluster, err);
    if (rc == GPUC_OK)
        rc = gpuc__op_new(&w->tally.op, cluster->context, &verify_class, w, err);
    if (rc < 0) {
        free_work(w);
        return rc;
    }
    rc = start_timer(w, err);
    if (rc < 0) {
        gpuc__op_discard(w->tally.op);
        return rc;
    }
    cluster->busy = w->tally.op;
    *out = w->tally.op;
    return GPUC_OK;
}

/* ---- a cluster that is not up ---- */

static int know_hosts(gpuc_cluster *cluster, gpuc_error **err)
{
    int rc = GPUC_OK;

    for (size_t i = 0; rc == GPUC_OK && i < cluster->member_count; i++) {
        gpuc__member *member = cluster->members[i];
        const gpuc__machine_model *m = member->model;

        gpuc__remote_set_foreign(member->remote);
        if (!m || !m->host || member->has_info)
            continue;
        rc = gpuc__machine_info_copy(&member->info,
                                     &(gpuc__machine_info){.address = m->host,
                                                           .port = m->port,
                                                           .user = m->user,
                                                           .host_keys = m->host_keys},
                                     err);
        member->has_info = rc == GPUC_OK;
    }
    return rc;
}

static bool has_wanted(const gpuc_cluster *cluster)
{
    for (size_t i = 0; i < cluster->member_count; i++) {
        if (is_wanted(cluster->members[i]))
            return true;
    }
    return false;
}

int gpuc__verify_unmade_start(gpuc_op **out, gpuc_cluster *cluster, gpuc_error **err)
{
    int rc = know_hosts(cluster, err);

    if (rc == GPUC_OK && !has_wanted(cluster)) {
        rc = gpuc__error_set(err, GPUC_ESTATE, GPUC_DOMAIN_MACHINE,
                             "cluster %s is not up, and no machine with a GPU is there to verify",
                             cluster->name);
        gpuc__error_remedy(err, "run gpucluster up first, or declare the accelerators of the hosts");
    }
    if (rc == GPUC_OK && cluster->store && !cluster->identity.uuid)
        rc = gpuc__identity_load(cluster, false, err);
    if (rc == GPUC_OK)
        rc = gpuc__verify_hosts_start(out, cluster, err);
    if (rc == GPUC_OK)
        gpuc__context_emit(cluster->context,
                           gpuc__event_new(GPUC_EVENT_NOTICE, NULL, GPUC__VERIFY_STEP,
                                           "cluster %s is not up: its machines are verified as hosts, "
                                           "without Kubernetes",
                                           cluster->name));
    return rc;
}
