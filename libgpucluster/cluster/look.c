/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/look.h"

#include <openssl/rand.h>
#include <string.h>

#include "core/context.h"
#include "gpu/collect.h"
#include "gpu/probe.h"
#include "util/alloc.h"
#include "util/error.h"

#define SCRIPT_MAX (1024 * 1024)

struct gpuc__look {
    gpuc__look_args args;
    char *name, nonce[33];
    int64_t started_ms;
    gpuc__ssh_op *op; /* the round trip under way */
    gpuc__collect *collect;
    bool cancelled;
};

static void look_free(gpuc__look *look)
{
    gpuc__remote_unref(look->args.remote);
    gpuc__rules_unref(look->args.rules);
    gpuc__collect_free(look->collect);
    gpuc__free(look->name);
    gpuc__free(look);
}

static void finish(gpuc__look *look, gpuc__machine_proof *proof, gpuc_error *error)
{
    gpuc__look_args args = look->args;

    if (look->cancelled && !error)
        gpuc__error_set(&error, GPUC_ECANCELLED, GPUC_DOMAIN_NONE, "the look at %s was cancelled",
                        look->name);
    if (error) {
        gpuc__proof_free(proof);
        proof = NULL;
    }
    args.remote = NULL; /* these go with the look */
    args.rules = NULL;
    look_free(look);
    args.done(args.data, proof, error);
}

/* probe NULL: it was not run, for the reason given. */
static void judge(gpuc__look *look, const gpuc__probe *probe, const char *reason)
{
    gpuc__machine_proof *proof = NULL;
    gpuc_error *error = NULL;

    gpuc__proof_evaluate(&proof, look->name, look->args.expected_gpus, look->collect, probe, reason,
                         look->args.rules, &error);
    if (proof) {
        proof->started_ms = look->started_ms;
        proof->finished_ms = gpuc__now_ms();
    }
    finish(look, proof, error);
}

/* What came before the deadline says where it hung: that is read rather than thrown away. True when
 * the error, which is consumed then, was no more than that. */
static bool was_cut(gpuc_error **error, size_t out_length)
{
    if (!*error || gpuc_error_code(*error) != GPUC_ETIMEDOUT || !out_length)
        return false;
    *error = gpuc_error_unref(*error);
    return true;
}

static void on_computed(void *data, int status, const char *out, size_t out_length,
                        const char *errout, size_t errout_length, gpuc_error *error)
{
    gpuc__look *look = data;
    gpuc__probe *probe = NULL;

    look->op = NULL;
    if (was_cut(&error, out_length))
        status = 124; /* as timeout(1) has it */
    if (!error && !look->cancelled)
        gpuc__probe_parse(&probe, status, out, out_length, errout, errout_length, &error);
    if (!error && !look->cancelled)
        gpuc__collect_after_parse(look->collect, look->nonce, out, out_length, &error);
    if (error || look->cancelled)
        finish(look, NULL, error);
    else
        judge(look, probe, NULL);
    gpuc__probe_free(probe);
}

/* Its tests take whole GPUs, and all of them. */
static int dcgm_level(const gpuc__look *look)
{
    double level = gpuc__rules_limit(look->args.rules, "dcgm.diag", "level");

    if (level < 0 || gpuc__proof_any_busy(look->collect))
        return 0;
    return level > 3 ? 3 : (int)level;
}

/* DCGM's own diagnosis takes longer than the probe: its time is added to the deadline. */
static int compute_timeout(const gpuc__look *look, size_t devices)
{
    static const int dcgm_ms[] = {0, 130000, 620000, 2500000};

    return gpuc__probe_timeout_ms(devices) + GPUC__COLLECT_AFTER_TIMEOUT_MS + dcgm_ms[dcgm_level(look)];
}

/* The probe in a shell of its own, and behind it the second look. NULL without an error: there is no
 * GPU that may be disturbed. */
static char *compute_script(const gpuc__look *look, size_t *count, gpuc_error **err)
{
    gpuc__probe_request request = {.mib = 0};
    gpuc__buf script = GPUC__BUF_INIT(SCRIPT_MAX);
    char **targets = NULL, *probe = NULL, *after = NULL, *text = NULL;

    if (gpuc__proof_targets(&targets, count, look->collect, err) == GPUC_OK && *count) {
        request.devices = (const char *const *)targets;
        request.device_count = *count;
        if (gpuc__probe_script(&probe, &request, err) == GPUC_OK &&
            gpuc__collect_after_script(&after, look->nonce, dcgm_level(look), err) == GPUC_OK) {
            gpuc__buf_puts(&script, "(\n");
            gpuc__buf_puts(&script, probe);
            gpuc__buf_puts(&script, "\n)\n");
            gpuc__buf_puts(&script, after);
            text = gpuc__buf_take(&script);
            if (!text)
                gpuc__error_nomem(err);
        }
    }
    gpuc__free(probe);
    gpuc__free(after);
    gpuc__proof_targets_free(targets);
    gpuc__buf_clear(&script);
    return text;
}

static void tell(const gpuc__look *look, const char *what)
{
    if (look->args.progress)
        look->args.progress(look->args.data, what);
}

/* Consumes the script, which is NULL after an error. false: *err says why. */
static bool run_script(gpuc__look *look, char *script, int timeout_ms, gpuc__remote_fn done,
                       gpuc_error **err)
{
    if (script)
        look->op = gpuc__remote_run(look->args.remote, script, strlen(script), timeout_ms, done, look,
                                    err);
    gpuc__free(script);
    return look->op != NULL;
}

static void compute(gpuc__look *look)
{
    gpuc_error *error = NULL;
    size_t count = 0;
    char *script = compute_script(look, &count, &error);

    if (!script && !error) {
        judge(look, NULL, "there is no GPU that may be disturbed");
        return;
    }
    tell(look, "computing on each GPU");
    if (!run_script(look, script, compute_timeout(look, count), on_computed, &error))
        finish(look, NULL, error);
}

static void on_collected(void *data, int status, const char *out, size_t out_length,
                         const char *errout, size_t errout_length, gpuc_error *error)
{
    gpuc__look *look = data;

    (void)status;
    look->op = NULL;
    was_cut(&error, out_length);
    if (!error && !look->cancelled &&
        gpuc__collect_parse(&look->collect, look->nonce, out, out_length, look->args.rules,
                            &error) < 0)
        gpuc__error_evidence(&error, errout, errout_length);
    if (error || look->cancelled)
        finish(look, NULL, error);
    else if (!look->collect->smi)
        judge(look, NULL, "nvidia-smi could not be read");
    else
        compute(look);
}

int gpuc__look_nonce(char *out, size_t bytes, gpuc_error **err)
{
    unsigned char random[16];

    if (RAND_bytes(random, sizeof(random)) != 1)
        return gpuc__error_set(err, GPUC_EINTERNAL, GPUC_DOMAIN_TLS, "no random bytes to be had");
    for (size_t i = 0; i < sizeof(random) && 2 * i + 3 <= bytes; i++)
        snprintf(out + 2 * i, 3, "%02x", random[i]);
    return GPUC_OK;
}

int gpuc__look_start(gpuc__look **out, const gpuc__look_args *args, gpuc_error **err)
{
    gpuc__look *look = gpuc__calloc(1, sizeof(*look));
    gpuc_error *error = NULL;
    char *script = NULL;
    int rc;

    if (!look)
        return gpuc__error_nomem(err);
    look->args = *args;
    look->args.remote = gpuc__remote_ref(args->remote);
    look->args.rules = NULL;
    look->started_ms = gpuc__now_ms();
    look->name = gpuc__strdup(args->name);
    if (!look->name)
        gpuc__error_nomem(&error);
    else if (gpuc__rules_take(&look->args.rules, args->rules, &error) == GPUC_OK &&
             gpuc__look_nonce(look->nonce, sizeof(look->nonce), &error) == GPUC_OK)
        gpuc__collect_script(&script, look->nonce, &error);
    if (run_script(look, script, GPUC__COLLECT_TIMEOUT_MS, on_collected, &error)) {
        tell(look, "reading nvidia-smi");
        *out = look;
        return GPUC_OK;
    }
    rc = gpuc_error_code(error);
    if (err)
        *err = error;
    else
        gpuc_error_unref(error);
    look_free(look);
    return rc;
}

void gpuc__look_cancel(gpuc__look *look)
{
    look->cancelled = true;
    if (look->op)
        gpuc__ssh_op_cancel(look->op);
}
