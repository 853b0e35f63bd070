/* SPDX-License-Identifier: Apache-2.0 */
/* Which kubeconfig files there are: the list of KUBECONFIG, the file in the home folder, or the
 * service account of the pod that the program runs in. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kube/kubeconfig_internal.h"
#include "util/alloc.h"
#include "util/buf.h"
#include "util/error.h"

#define SERVICE_ACCOUNT "/var/run/secrets/kubernetes.io/serviceaccount"
#define CA_MAX (1024 * 1024)

/* A file as a new string. Only regular files: a pipe or device could block or never end. */
int gpuc__kubeconfig_read_file(char **out, size_t *length, const char *path, size_t max,
                               gpuc_error **err)
{
    gpuc__buf buf;
    char chunk[16384];
    struct stat st;
    ssize_t n = 0;
    int rc = GPUC_OK, fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    gpuc__buf_init(&buf, max);
    if (fd < 0 || fstat(fd, &st) != 0) {
        rc = gpuc__error_errno(err, errno, "reading %s", path);
        gpuc__error_remedy(err, "check the path and that you may read it");
        goto done;
    }
    if (!S_ISREG(st.st_mode)) {
        rc = gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_KUBERNETES, "%s is not a regular file",
                             path);
        gpuc__error_remedy(err, "give the path of a file");
        goto done;
    }
    while ((n = read(fd, chunk, sizeof(chunk))) > 0 && gpuc__buf_add(&buf, chunk, (size_t)n))
        ;
    if (n < 0)
        rc = gpuc__error_errno(err, errno, "reading %s", path);
    else if (buf.failed && buf.length + (size_t)n <= max)
        rc = gpuc__error_nomem(err);
    else if (buf.failed)
        rc = gpuc__error_set(err, GPUC_ELIMIT, GPUC_DOMAIN_KUBERNETES,
                             "%s is larger than the %zu bytes allowed here", path, max);
    if (rc == GPUC_OK) {
        *length = buf.length;
        *out = gpuc__buf_take(&buf);
        if (!*out)
            rc = gpuc__error_nomem(err);
    }
done:
    OPENSSL_cleanse(chunk, sizeof(chunk));
    if (buf.data)
        OPENSSL_cleanse(buf.data, buf.length);
    gpuc__buf_clear(&buf);
    if (fd >= 0)
        close(fd);
    return rc;
}

/* Appends a path that is not in the list yet. */
static int add_path(char **paths, size_t *count, const char *path, size_t length, gpuc_error **err)
{
    for (size_t i = 0; i < *count; i++) {
        if (strlen(paths[i]) == length && memcmp(paths[i], path, length) == 0)
            return GPUC_OK;
    }
    if (*count == GPUC__KUBECONFIG_LIST_MAX) {
        gpuc__error_set(err, GPUC_ELIMIT, GPUC_DOMAIN_KUBERNETES,
                        "KUBECONFIG names more than %d files", GPUC__KUBECONFIG_LIST_MAX);
        gpuc__error_remedy(err, "name fewer, or merge them: kubectl config view --raw --flatten");
        return GPUC_ELIMIT;
    }
    paths[*count] = gpuc__strndup(path, length);
    if (!paths[*count])
        return gpuc__error_nomem(err);
    ++*count;
    return GPUC_OK;
}

static int home_path(char **paths, size_t *count, gpuc_error **err)
{
    const char *home = getenv("HOME");
    char *path;
    int rc;

    if (!home || !*home)
        return GPUC_OK;
    path = gpuc__asprintf("%s/.kube/config", home);
    rc = path ? add_path(paths, count, path, strlen(path), err) : gpuc__error_nomem(err);
    gpuc__free(path);
    return rc;
}

int gpuc__kubeconfig_paths(char ***out, bool *given, const char *list, gpuc_error **err)
{
    char **paths = gpuc__calloc(GPUC__KUBECONFIG_LIST_MAX + 1, sizeof(*paths));
    size_t count = 0;
    int rc = GPUC_OK;

    if (!paths)
        return gpuc__error_nomem(err);
    if (!list || !*list)
        list = getenv("KUBECONFIG");
    for (const char *at = list; rc == GPUC_OK && at && *at;) {
        size_t length = strcspn(at, ":");

        if (length)
            rc = add_path(paths, &count, at, length, err);
        at += length + (at[length] == ':');
    }
    *given = count > 0;
    if (rc == GPUC_OK && !count)
        rc = home_path(paths, &count, err);
    if (rc == GPUC_OK)
        *out = paths;
    else
        gpuc__kubeconfig_free_list(paths);
    return rc;
}

/* Those of the files that are there, as texts that the caller frees. */
static int read_all(char **paths, gpuc__kubeconfig_text *texts, size_t *count, gpuc_error **err)
{
    for (size_t i = 0; paths[i]; i++) {
        gpuc_error *error = NULL;
        size_t length = 0;
        char *text = NULL;
        int rc = gpuc__kubeconfig_read_file(&text, &length, paths[i], GPUC__YAML_MAX_BYTES, &error);

        if (rc == GPUC_ENOTFOUND) { /* kubectl passes over it too */
            gpuc_error_unref(error);
            continue;
        }
        if (rc != GPUC_OK) {
            if (err)
                *err = error;
            else
                gpuc_error_unref(error);
            return rc;
        }
        texts[(*count)++] = (gpuc__kubeconfig_text){text, paths[i], length};
    }
    return GPUC_OK;
}

static int none_there(char **paths, gpuc_error **err)
{
    gpuc__error_set(err, GPUC_ENOTFOUND, GPUC_DOMAIN_KUBERNETES,
                    paths[0] ? "there is no kubeconfig: %s is not there%s"
                             : "there is no kubeconfig: neither KUBECONFIG nor HOME is set%s%s",
                    paths[0] ? paths[0] : "",
                    paths[0] && paths[1] ? ", nor are the others of the list" : "");
    gpuc__error_remedy(err, "name the file, or set KUBECONFIG; `gpucluster kubeconfig NAME` prints "
                            "one for a cluster made here");
    return GPUC_ENOTFOUND;
}

int gpuc__kubeconfig_load_list(gpuc__kubeconfig *out, const char *list, const char *context,
                               unsigned allow, gpuc_error **err)
{
    gpuc__kubeconfig_text texts[GPUC__KUBECONFIG_LIST_MAX];
    gpuc__kubeconfig config = {0};
    char **paths = NULL;
    bool given = false;
    size_t count = 0;
    int rc = gpuc__kubeconfig_paths(&paths, &given, list, err);

    if (rc != GPUC_OK)
        return rc;
    rc = read_all(paths, texts, &count, err);
    if (rc == GPUC_OK && count)
        rc = gpuc__kubeconfig_parse_list(&config, texts, count, context, allow, err);
    else if (rc == GPUC_OK && !given && !context && getenv("KUBERNETES_SERVICE_HOST"))
        rc = gpuc__kubeconfig_in_cluster(&config, NULL, err);
    else if (rc == GPUC_OK)
        rc = none_there(paths, err);
    if (rc == GPUC_OK && count)
        rc = gpuc__kubeconfig_resolve(&config, err);
    for (size_t i = 0; i < count; i++)
        gpuc__free_secret((char *)texts[i].text);
    gpuc__kubeconfig_free_list(paths);
    if (rc == GPUC_OK)
        *out = config;
    else
        gpuc__kubeconfig_clear(&config);
    return rc;
}

static int read_account(gpuc__kubeconfig *c, const char *folder, gpuc_error **err)
{
    char *ca = gpuc__asprintf("%s/ca.crt", folder);
    char *name = gpuc__asprintf("%s/namespace", folder);
    size_t length;
    int rc = GPUC_OK;

    c->token_file = gpuc__asprintf("%s/token", folder);
    c->context = gpuc__strdup("in-cluster");
    if (!ca || !name || !c->token_file || !c->context)
        rc = gpuc__error_nomem(err);
    if (rc == GPUC_OK)
        rc = gpuc__kubeconfig_read_file(&c->token, &length, c->token_file, CA_MAX, err);
    if (rc == GPUC_OK)
        rc = gpuc__kubeconfig_read_file(&c->ca_pem, &length, ca, CA_MAX, err);
    if (rc == GPUC_OK && gpuc__kubeconfig_read_file(&c->namespace_, &length, name, 4096, NULL) == 0)
        c->namespace_[strcspn(c->namespace_, " \r\n")] = '\0';
    if (rc == GPUC_OK)
        c->token[strcspn(c->token, "\r\n")] = '\0';
    gpuc__free(ca);
    gpuc__free(name);
    return rc;
}

int gpuc__kubeconfig_in_cluster(gpuc__kubeconfig *out, const char *folder, gpuc_error **err)
{
    const char *host = getenv("KUBERNETES_SERVICE_HOST"), *port = getenv("KUBERNETES_SERVICE_PORT");
    gpuc__kubeconfig config = {0};
    int rc;

    if (!host || !*host || !port || !*port || strlen(host) > 255 ||
        strspn(port, "0123456789") != strlen(port)) {
        gpuc__error_set(err, GPUC_ENOTFOUND, GPUC_DOMAIN_KUBERNETES,
                        "this program does not run in a pod: KUBERNETES_SERVICE_HOST and "
                        "KUBERNETES_SERVICE_PORT are not set");
        gpuc__error_remedy(err, "give a kubeconfig");
        return GPUC_ENOTFOUND;
    }
    config.server = gpuc__asprintf(strchr(host, ':') ? "https://[%s]:%s" : "https://%s:%s", host,
                                   port);
    rc = config.server ? read_account(&config, folder ? folder : SERVICE_ACCOUNT, err)
                       : gpuc__error_nomem(err);
    if (rc != GPUC_OK)
        gpuc__error_remedy(err, "the pod needs a service account token: do not set "
                                "automountServiceAccountToken to false");
    if (rc == GPUC_OK)
        *out = config;
    else
        gpuc__kubeconfig_clear(&config);
    return rc;
}
