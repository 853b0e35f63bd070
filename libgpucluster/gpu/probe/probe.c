/* SPDX-License-Identifier: Apache-2.0 */
/* The compute probe for machines with a C compiler and no python3: compiled there, no part of the
 * library. It does what probe.py does, in the same order, and prints the same lines; see there.
 * C99, libc and libdl; libcuda.so.1 is opened at run time.
 *
 * usage: probe [--remove DIR] [--mib N] [--deadline SECONDS] DEVICE[=PARENT/INDEX] ... <probe.ptx
 * --remove: DIR/probe and DIR are removed first, so that nothing stays whatever happens. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SIMULATED_MARKER "/etc/gpucluster/simulated-gpu"
#define WINDOW 1024u /* words compared on the host at the start, the middle and the end */
#define ROUNDS 6
#define THREADS 256u
#define MIB_LEAST 256
#define MIB_SIMULATED 16
#define DEADLINE_AFTER_HANG 20
#define GRACE_MS 2000
#define TEXT_MAX_BYTES 400
#define PTX_MAX (1024 * 1024)

enum { ATTR_SMS = 16, ATTR_COMPUTE_MODE = 20, ATTR_ECC = 32, ATTR_MEMORY_KHZ = 36,
       ATTR_BUS_BITS = 37, ATTR_L2 = 38, ATTR_MAJOR = 75, ATTR_MINOR = 76 };
enum { JIT_ERROR_LOG = 5, JIT_ERROR_LOG_SIZE = 6 };

/* What is known of one device; a field that is not is not printed. It lies in memory that the device's
 * process shares with its parent. */
typedef struct result {
    char at[64]; /* the call under way: told before it is made, so that the parent knows where it hung */
    char device[128];
    char parent[128]; /* of a MIG device */
    int index;
    int cuda;
    char bus[32], uuid[64], name[256], cc[16];
    int sms, ecc, compute_mode, l2_kib, described;
    double theoretical_gbs;
    long memory_mib, mib; /* < 0: not known */
    int64_t mismatches, host_mismatches;
    double gbs;
    int passed, done;
    char stage[64], error[64], detail[4096];
    int code;
} result;

/* ---- lines ---- */

typedef struct line {
    char text[8192];
    size_t length;
} line;

static void add(line *l, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(line *l, const char *format, ...)
{
    size_t room = sizeof(l->text) - l->length;
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(l->text + l->length, room, format, args);
    va_end(args);
    if (n > 0)
        l->length += (size_t)n < room ? (size_t)n : room - 1;
}

/* ASCII, at most 400 characters, as JSON. */
static void add_text(line *l, const char *key, const char *text)
{
    size_t i;

    add(l, ",\"%s\":\"", key);
    for (i = 0; text[i] && i < TEXT_MAX_BYTES; i++) {
        if (text[i] == '\n')
            add(l, "\\n");
        else if (text[i] == '"' || text[i] == '\\')
            add(l, "\\%c", text[i]);
        else
            add(l, "%c", text[i] >= ' ' && text[i] <= '~' ? text[i] : '?');
    }
    add(l, "\"");
}

static void add_known(line *l, const char *key, long long value)
{
    if (value >= 0)
        add(l, ",\"%s\":%lld", key, value);
}

static int is_simulated(void)
{
    struct stat marker;

    return stat(SIMULATED_MARKER, &marker) == 0 && S_ISDIR(marker.st_mode);
}

static void write_all(const char *text, size_t length)
{
    while (length) {
        ssize_t n = write(1, text, length);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            _exit(1);
        text += n;
        length -= (size_t)n;
    }
}

static void say(line *l)
{
    add(l, "}\n");
    write_all(l->text, l->length);
}

static void say_result(const char *event, const result *r)
{
    line l = {"", 0};

    add(&l, "{\"event\":\"%s\"", event);
    add_text(&l, "device", r->device);
    if (r->parent[0]) {
        add_text(&l, "parent", r->parent);
        add(&l, ",\"index\":%d", r->index);
    }
    if (r->cuda)
        add(&l, ",\"cuda\":%d", r->cuda);
    if (r->bus[0])
        add_text(&l, "bus", r->bus);
    if (r->uuid[0])
        add_text(&l, "uuid", r->uuid);
    if (r->name[0])
        add_text(&l, "name", r->name);
    if (r->described) {
        add_text(&l, "cc", r->cc);
        add(&l, ",\"sms\":%d,\"ecc\":%d,\"compute_mode\":%d", r->sms, r->ecc, r->compute_mode);
    }
    add_known(&l, "memory_mib", r->memory_mib);
    if (r->described)
        add(&l, ",\"l2_kib\":%d,\"theoretical_gbs\":%.1f", r->l2_kib, r->theoretical_gbs);
    add_known(&l, "mib", r->mib);
    add_known(&l, "mismatches", r->mismatches);
    add_known(&l, "host_mismatches", r->host_mismatches);
    if (r->gbs > 0)
        add(&l, ",\"gbs\":%.1f", r->gbs);
    if (r->passed || r->stage[0])
        add_text(&l, "status", r->passed ? "pass" : "fail");
    if (r->stage[0]) {
        add_text(&l, "stage", r->stage);
        add(&l, ",\"code\":%d", r->code);
        add_text(&l, "error", r->error);
        add_text(&l, "detail", r->detail);
    }
    say(&l);
}

/* ---- libcuda ---- */

typedef uint64_t device_pointer;

#define API(X)                                                                                     \
    X(cuInit, (unsigned))                                                                          \
    X(cuDriverGetVersion, (int *))                                                                 \
    X(cuDeviceGet, (int *, int))                                                                   \
    X(cuDeviceGetName, (char *, int, int))                                                         \
    X(cuDeviceGetPCIBusId, (char *, int, int))                                                     \
    X(cuDeviceGetUuid, (unsigned char *, int))                                                     \
    X(cuDeviceGetUuid_v2, (unsigned char *, int))                                                  \
    X(cuDeviceGetAttribute, (int *, int, int))                                                     \
    X(cuGetErrorName, (int, const char **))                                                        \
    X(cuDevicePrimaryCtxRetain, (void **, int))                                                    \
    X(cuDevicePrimaryCtxRelease, (int))                                                            \
    X(cuDevicePrimaryCtxRelease_v2, (int))                                                         \
    X(cuCtxSetCurrent, (void *))                                                                   \
    X(cuCtxSynchronize, (void))                                                                    \
    X(cuMemGetInfo_v2, (size_t *, size_t *))                                                       \
    X(cuModuleLoadDataEx, (void **, const void *, unsigned, int *, void **))                       \
    X(cuModuleGetFunction, (void **, void *, const char *))                                        \
    X(cuModuleUnload, (void *))                                                                    \
    X(cuMemAlloc_v2, (device_pointer *, size_t))                                                   \
    X(cuMemFree_v2, (device_pointer))                                                              \
    X(cuMemsetD32_v2, (device_pointer, unsigned, size_t))                                          \
    X(cuMemcpyDtoH_v2, (void *, device_pointer, size_t))                                           \
    X(cuEventCreate, (void **, unsigned))                                                          \
    X(cuEventDestroy_v2, (void *))                                                                 \
    X(cuEventRecord, (void *, void *))                                                             \
    X(cuEventSynchronize, (void *))                                                                \
    X(cuEventElapsedTime, (float *, void *, void *))                                               \
    X(cuLaunchKernel, (void *, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned,         \
                       unsigned, void *, void **, void **))

typedef struct cuda {
    result *r; /* where a failure is told; the first one stays */
#define X(name, arguments) int (*name) arguments;
    API(X)
#undef X
} cuda;

static void fail(result *r, const char *stage, int code, const char *error, const char *detail)
{
    if (r->stage[0])
        return;
    r->code = code;
    snprintf(r->stage, sizeof(r->stage), "%s", stage);
    snprintf(r->error, sizeof(r->error), "%s", error);
    snprintf(r->detail, sizeof(r->detail), "%s", detail);
}

static void mark(const cuda *c, const char *stage)
{
    snprintf(c->r->at, sizeof(c->r->at), "%s", stage);
}

static int cuda_open(cuda *c)
{
    void *library, *symbol;

    mark(c, "dlopen");
    library = dlopen("libcuda.so.1", RTLD_NOW);
    if (!library) {
        fail(c->r, "dlopen", 0, "NO_LIBCUDA", dlerror());
        return 0;
    }
#define X(name, arguments)                                                                         \
    symbol = dlsym(library, #name);                                                                \
    memcpy(&c->name, &symbol, sizeof(symbol));
    API(X)
#undef X
    return 1;
}

static int present(cuda *c, const char *name, int there)
{
    char text[128];

    if (there) {
        mark(c, name);
        return 1;
    }
    snprintf(text, sizeof(text), "libcuda.so.1 has no %s", name);
    fail(c->r, name, 0, "SYMBOL_MISSING", text);
    return 0;
}

static int passed(cuda *c, const char *name, int code)
{
    const char *text = NULL;

    if (code == 0)
        return 1;
    if (c->cuGetErrorName)
        c->cuGetErrorName(code, &text);
    fail(c->r, name, code, text ? text : "CUDA_ERROR_?", "");
    return 0;
}

/* 1: done. 0: the failure is in the result. */
#define CALL(c, name, arguments)                                                                   \
    (present(c, #name, (c)->name != NULL) && passed(c, #name, (c)->name arguments))
/* The same without a word about a failure. */
#define TRY(c, name, arguments)                                                                    \
    ((c)->name && (mark(c, #name), (c)->name arguments == 0))

static int attribute(const cuda *c, int which, int device)
{
    int value = 0;

    return TRY(c, cuDeviceGetAttribute, (&value, which, device)) ? value : 0;
}

/* Lower case, domain of 4 digits: what sysfs says. */
static void read_bus(char *out, size_t size, const char *text)
{
    unsigned domain, bus, device, function;

    if (sscanf(text, "%x:%x:%x.%x", &domain, &bus, &device, &function) == 4)
        snprintf(out, size, "%04x:%02x:%02x.%x", domain, bus, device, function);
}

/* Of a MIG device the second form gives its own UUID, the first its parent's. */
static void read_uuid(const cuda *c, int device)
{
    unsigned char raw[16];
    char *out = c->r->uuid;
    size_t i, n;

    if (!TRY(c, cuDeviceGetUuid_v2, (raw, device)) && !TRY(c, cuDeviceGetUuid, (raw, device)))
        return;
    n = (size_t)snprintf(out, sizeof(c->r->uuid), "%.4s", c->r->device);
    for (i = 0; i < 16; i++)
        n += (size_t)snprintf(out + n, sizeof(c->r->uuid) - n, "%s%02x",
                              i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", raw[i]);
}

static int describe(cuda *c, int device)
{
    result *r = c->r;
    char text[256];

    if (!CALL(c, cuDeviceGetPCIBusId, (text, sizeof(text), device)))
        return 0;
    read_bus(r->bus, sizeof(r->bus), text);
    read_uuid(c, device);
    if (!CALL(c, cuDeviceGetName, (r->name, sizeof(r->name), device)))
        return 0;
    snprintf(r->cc, sizeof(r->cc), "%d.%d", attribute(c, ATTR_MAJOR, device),
             attribute(c, ATTR_MINOR, device));
    r->sms = attribute(c, ATTR_SMS, device);
    r->ecc = attribute(c, ATTR_ECC, device);
    r->compute_mode = attribute(c, ATTR_COMPUTE_MODE, device);
    r->l2_kib = attribute(c, ATTR_L2, device) / 1024;
    r->theoretical_gbs = attribute(c, ATTR_BUS_BITS, device);
    r->theoretical_gbs *= 2.0e3 * attribute(c, ATTR_MEMORY_KHZ, device) / 8 / 1e9;
    r->described = 1;
    return 1;
}

/* ---- the computation ---- */

/* One device's buffers and kernels. */
typedef struct run {
    cuda *c;
    int device;
    void *module, *start, *stop;
    device_pointer a, b, sum, bad;
    size_t size; /* of each buffer */
    uint32_t n, seed;
} run;

static int load(run *g, const char *ptx)
{
    char log[4096] = "";
    int options[] = {JIT_ERROR_LOG, JIT_ERROR_LOG_SIZE};
    void *values[] = {log, (void *)(uintptr_t)sizeof(log)};
    result *r = g->c->r;
    size_t length;

    if (CALL(g->c, cuModuleLoadDataEx, (&g->module, ptx, 2, options, values)))
        return 1;
    log[sizeof(log) - 1] = '\0';
    for (length = strlen(log); length && strchr(" \t\r\n", log[length - 1]); length--)
        log[length - 1] = '\0';
    if (strcmp(r->error, "SYMBOL_MISSING") != 0)
        snprintf(r->detail, sizeof(r->detail), "%s", log + strspn(log, " \t\r\n"));
    return 0;
}

static int launch(run *g, const char *name, void **arguments)
{
    void *function = NULL;

    return CALL(g->c, cuModuleGetFunction, (&function, g->module, name)) &&
           CALL(g->c, cuLaunchKernel,
                (function, g->n / 4 / THREADS, 1, 1, THREADS, 1, 1, 0, NULL, arguments, NULL));
}

static uint32_t mix(uint32_t value)
{
    value *= 0x9E3779B1u;
    value ^= value >> 15;
    value *= 0x85EBCA77u;
    return value ^ value >> 13;
}

/* Counts words that are wrong by the host's own arithmetic: the GPU is not its own judge. */
static int host_check(run *g)
{
    uint32_t first[3], filled[WINDOW], added[WINDOW], i, j;
    int64_t wrong = 0;

    first[0] = 0;
    first[1] = (g->n - WINDOW) / 2;
    first[2] = g->n - WINDOW;
    for (i = 0; i < 3; i++) {
        if (!CALL(g->c, cuMemcpyDtoH_v2, (filled, g->a + 4ull * first[i], sizeof(filled))) ||
            !CALL(g->c, cuMemcpyDtoH_v2, (added, g->sum + 4ull * first[i], sizeof(added))))
            return 0;
        for (j = 0; j < WINDOW; j++) {
            uint32_t at = first[i] + j;

            wrong += filled[j] != mix(at ^ g->seed) || added[j] != 3 * at + g->seed;
        }
    }
    g->c->r->host_mismatches = wrong;
    return 1;
}

/* Buffers that no cache holds, and not more than a quarter of the free memory for each. */
static int fit(run *g, long mib)
{
    size_t free_bytes = 0, total = 0;
    result *r = g->c->r;
    long wanted = (4l * r->l2_kib + 1023) / 1024, least = is_simulated() ? MIB_SIMULATED : MIB_LEAST;
    long most;

    if (!CALL(g->c, cuMemGetInfo_v2, (&free_bytes, &total)))
        return 0;
    r->memory_mib = (long)(total >> 20);
    wanted = mib ? mib : wanted > least ? wanted : least;
    most = (long)(free_bytes / 4 >> 20);
    r->mib = wanted < most ? wanted : most;
    if (r->mib < 1)
        r->mib = 1;
    g->size = (size_t)r->mib << 20;
    g->n = (uint32_t)(g->size / 4);
    return 1;
}

static int random_word(uint32_t *out)
{
    FILE *file = fopen("/dev/urandom", "rb");
    int ok = file && fread(out, sizeof(*out), 1, file) == 1;

    if (file)
        fclose(file);
    return ok;
}

static int prepare(run *g, const char *ptx)
{
    cuda *c = g->c;

    if (!load(g, ptx))
        return 0;
    if (!random_word(&g->seed)) {
        fail(c->r, "open", 0, "CRASHED", "/dev/urandom cannot be read");
        return 0;
    }
    return CALL(c, cuMemAlloc_v2, (&g->a, g->size)) && CALL(c, cuMemAlloc_v2, (&g->b, g->size)) &&
           CALL(c, cuMemAlloc_v2, (&g->sum, g->size)) && CALL(c, cuMemAlloc_v2, (&g->bad, 4)) &&
           CALL(c, cuMemsetD32_v2, (g->bad, 0, 1)) && CALL(c, cuMemsetD32_v2, (g->sum, 0, g->n));
}

/* Milliseconds of the fastest round; 0: it failed, or no time passed. */
static int add_timed(run *g, float *best)
{
    void *arguments[] = {&g->a, &g->b, &g->sum, &g->n};
    cuda *c = g->c;
    int i;

    if (!CALL(c, cuEventCreate, (&g->start, 0)) || !CALL(c, cuEventCreate, (&g->stop, 0)))
        return 0;
    for (i = 0; i < ROUNDS; i++) {
        float milliseconds = 0;

        if (!CALL(c, cuEventRecord, (g->start, NULL)) || !launch(g, "gpuc_add", arguments) ||
            !CALL(c, cuEventRecord, (g->stop, NULL)) || !CALL(c, cuEventSynchronize, (g->stop)) ||
            !CALL(c, cuEventElapsedTime, (&milliseconds, g->start, g->stop)))
            return 0;
        if (*best <= 0 || milliseconds < *best)
            *best = milliseconds;
    }
    return 1;
}

static int calculate(run *g)
{
    void *fill[] = {&g->a, &g->b, &g->n, &g->seed}, *check[] = {&g->sum, &g->bad, &g->n, &g->seed};
    result *r = g->c->r;
    uint32_t bad = 0;
    float best = 0;

    if (!launch(g, "gpuc_fill", fill) || !add_timed(g, &best) || !launch(g, "gpuc_check", check) ||
        !CALL(g->c, cuCtxSynchronize, ()) || !CALL(g->c, cuMemcpyDtoH_v2, (&bad, g->bad, 4)))
        return 0;
    r->mismatches = bad;
    if (!host_check(g))
        return 0;
    if (best > 0 && g->size >= 4096ull * (unsigned)r->l2_kib)
        r->gbs = 3.0 * (double)g->size / ((double)best * 1e-3) / 1e9;
    return 1;
}

/* After a fatal error every call on the context fails, and is made all the same. */
static void finish(run *g)
{
    void *const events[] = {g->stop, g->start};
    const device_pointer buffers[] = {g->bad, g->sum, g->b, g->a};
    cuda *c = g->c;
    int left = 0; /* calls that failed: nobody is told */
    size_t i;

    for (i = 0; i < 2; i++)
        left += events[i] && !TRY(c, cuEventDestroy_v2, (events[i]));
    for (i = 0; i < 4; i++)
        left += buffers[i] && !TRY(c, cuMemFree_v2, (buffers[i]));
    left += g->module && !TRY(c, cuModuleUnload, (g->module));
    left += !TRY(c, cuCtxSetCurrent, (NULL));
    if (c->cuDevicePrimaryCtxRelease_v2)
        left += !TRY(c, cuDevicePrimaryCtxRelease_v2, (g->device));
    else
        left += !TRY(c, cuDevicePrimaryCtxRelease, (g->device));
    (void)left;
}

static void compute(cuda *c, int device, const char *ptx, long mib)
{
    run g = {.c = c, .device = device};
    result *r = c->r;
    void *context = NULL;
    int done;

    if (!CALL(c, cuDevicePrimaryCtxRetain, (&context, device)))
        return;
    done = CALL(c, cuCtxSetCurrent, (context)) && fit(&g, mib) && prepare(&g, ptx) && calculate(&g);
    finish(&g);
    if (done && (r->mismatches || r->host_mismatches)) {
        char text[160];

        snprintf(text, sizeof(text),
                 "%lld of %lu words wrong by the GPU's count, %lld of %u by the host's",
                 (long long)r->mismatches, (unsigned long)g.n, (long long)r->host_mismatches,
                 3 * WINDOW);
        fail(r, "compare", 0, "MISMATCH", text);
    } else if (done) {
        r->passed = 1;
    }
}

/* The device's own process. */
static void probe(result *r, const char *ptx, long mib)
{
    cuda c = {.r = r};
    int device = 0;

    if (cuda_open(&c) && CALL(&c, cuInit, (0)) && CALL(&c, cuDriverGetVersion, (&r->cuda)) &&
        CALL(&c, cuDeviceGet, (&device, 0)) && describe(&c, device))
        compute(&c, device, ptx, mib);
    r->done = 1;
}

/* ---- supervision ---- */

typedef struct options {
    long mib, deadline;
    char *ptx;
} options;

/* The last line stands for the whole run: a part of it for each device. */
typedef struct summary {
    line text;
    int devices, failed;
} summary;

static void add_summary(summary *s, const result *r)
{
    add(&s->text, "%s{\"device\":\"%s\"", s->devices ? "," : "", r->device);
    add_text(&s->text, "status", r->passed ? "pass" : "fail");
    if (r->gbs > 0)
        add(&s->text, ",\"gbs\":%.1f", r->gbs);
    if (r->stage[0]) {
        add(&s->text, ",\"code\":%d", r->code);
        add_text(&s->text, "error", r->error);
    }
    add(&s->text, "}");
    s->devices++;
    s->failed += !r->passed;
}

static int say_end(const summary *s)
{
    line l = {"", 0};

    add(&l, "{\"event\":\"end\",\"devices\":%d,\"failed\":%d,\"gpus\":[%s]", s->devices, s->failed,
        s->text.text);
    say(&l);
    return s->devices && !s->failed ? 0 : 5;
}

static long now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* What the driver's libraries had to say goes to output; whether the child ended in time. */
static int read_all(int reader, long deadline_ms, char *output, size_t size)
{
    long until = now_ms() + deadline_ms;
    size_t used = 0;

    for (;;) {
        struct pollfd ready = {.fd = reader, .events = POLLIN};
        long left = until - now_ms();
        char part[4096];
        ssize_t n;

        output[used] = '\0';
        if (left <= 0)
            return 0;
        if (poll(&ready, 1, (int)left) <= 0)
            continue;
        n = read(reader, part, sizeof(part));
        if (n == 0)
            return 1;
        if (n > 0 && (size_t)n > size - 1 - used)
            n = (ssize_t)(size - 1 - used);
        if (n > 0) {
            memcpy(output + used, part, (size_t)n);
            used += (size_t)n;
        }
    }
}

/* How it ended, in words. A killed one may stay, and is then left to itself. */
static void ending(pid_t child, int killed, char *out, size_t size)
{
    const struct timespec pause = {0, 20000000};
    long until = now_ms() + GRACE_MS;
    int status = 0;

    while (waitpid(child, &status, killed ? WNOHANG : 0) != child) {
        if (now_ms() > until) {
            snprintf(out, size, "it could not be killed");
            return;
        }
        nanosleep(&pause, NULL);
    }
    if (WIFSIGNALED(status))
        snprintf(out, size, "signal %d", WTERMSIG(status));
    else
        snprintf(out, size, "exit status %d", WEXITSTATUS(status));
}

static void run_child(int writer, result *r, const options *o)
{
    dup2(writer, 1);
    dup2(writer, 2);
    setenv("CUDA_VISIBLE_DEVICES", r->device, 1);
    setenv("CUDA_CACHE_DISABLE", "1", 1); /* nothing is written on the machine */
    probe(r, o->ptx, o->mib);
    _exit(0);
}

/* It ended without a result, or not at all. */
static void explain(result *r, long deadline, int ended, const char *how, char *output)
{
    char before[64] = "";
    size_t length = strlen(output);

    while (length && output[length - 1] == '\n')
        output[--length] = '\0';
    if (!ended)
        snprintf(before, sizeof(before), "no end after %ld s; ", deadline);
    r->stage[0] = '\0';
    r->passed = 0;
    fail(r, r->at, 0, ended ? "CRASHED" : "TIMEOUT", "");
    snprintf(r->detail, sizeof(r->detail), "%s%s%s%s", before, how, length ? "\n" : "", output);
}

static void supervise(result *r, const options *o)
{
    char output[1024] = "", how[64];
    int pipe_ends[2], ended;
    pid_t child;

    snprintf(r->at, sizeof(r->at), "fork");
    say_result("begin", r);
    if (pipe(pipe_ends) != 0 || (child = fork()) < 0) {
        fail(r, "fork", 0, "CRASHED", strerror(errno));
        say_result("gpu", r);
        return;
    }
    if (child == 0) {
        close(pipe_ends[0]);
        run_child(pipe_ends[1], r, o);
    }
    close(pipe_ends[1]);
    ended = read_all(pipe_ends[0], 1000 * o->deadline, output, sizeof(output));
    if (!ended)
        kill(child, SIGKILL);
    ending(child, !ended, how, sizeof(how));
    close(pipe_ends[0]);
    if (!ended || !r->done)
        explain(r, o->deadline, ended, how, output);
    say_result("gpu", r);
}

/* ---- the program ---- */

/* "DEVICE" or, of a MIG device, "DEVICE=PARENT/INDEX". */
static int read_target(result *r, const char *text)
{
    const char *place = strchr(text, '='), *slash = place ? strrchr(place, '/') : NULL;

    memset(r, 0, sizeof(*r));
    r->memory_mib = r->mib = -1;
    r->mismatches = r->host_mismatches = -1;
    snprintf(r->device, sizeof(r->device), "%.*s", (int)strcspn(text, "="), text);
    if (!place)
        return 1;
    if (!slash)
        return 0;
    snprintf(r->parent, sizeof(r->parent), "%.*s", (int)(slash - place - 1), place + 1);
    r->index = (int)strtol(slash + 1, NULL, 10);
    return 1;
}

static char *read_ptx(void)
{
    char *text = malloc(PTX_MAX + 1);
    size_t length = text ? fread(text, 1, PTX_MAX, stdin) : 0;

    if (text)
        text[length] = '\0';
    return text;
}

static void remove_self(const char *dir)
{
    char path[512];

    snprintf(path, sizeof(path), "%s/probe", dir);
    unlink(path);
    rmdir(dir);
}

static int usage(void)
{
    fputs("usage: probe [--remove DIR] [--mib N] [--deadline SECONDS] DEVICE[=PARENT/INDEX] ... "
          "<probe.ptx\n", stderr);
    return 2;
}

/* The index of the first device; < 0: wrong arguments. */
static int read_options(options *o, int argc, char **argv)
{
    int i;

    for (i = 1; i < argc && strncmp(argv[i], "--", 2) == 0; i += 2) {
        if (i + 1 == argc)
            return -1;
        if (strcmp(argv[i], "--remove") == 0)
            remove_self(argv[i + 1]);
        else if (strcmp(argv[i], "--mib") == 0)
            o->mib = strtol(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--deadline") == 0)
            o->deadline = strtol(argv[i + 1], NULL, 10);
        else
            return -1;
    }
    return i;
}

static void start(int devices)
{
    line l = {"", 0};

    add(&l, "{\"event\":\"start\",\"runner\":\"cc\",\"devices\":%d,\"simulated\":%s", devices,
        is_simulated() ? "true" : "false");
    say(&l);
}

int main(int argc, char **argv)
{
    options o = {0, 60, NULL};
    int first = read_options(&o, argc, argv), i;
    static summary whole;

    o.ptx = read_ptx();
    if (first < 0 || !o.ptx)
        return usage();
    start(argc - first);
    for (i = first; i < argc; i++) {
        /* of its own, since a process that could not be killed may write there yet */
        result *r = mmap(NULL, sizeof(*r), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

        if (r == MAP_FAILED || !read_target(r, argv[i]))
            return usage();
        supervise(r, &o);
        add_summary(&whole, r);
        if (strcmp(r->error, "TIMEOUT") == 0 && o.deadline > DEADLINE_AFTER_HANG)
            o.deadline = DEADLINE_AFTER_HANG;
    }
    free(o.ptx);
    return say_end(&whole);
}
