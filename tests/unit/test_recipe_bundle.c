/* SPDX-License-Identifier: Apache-2.0 */
/* Versions and files: from the table, and from bundle directories good and bad. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "recipe/bundle.h"

#define SUM "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define K8S "dl.k8s.io/release/v1.36.4/bin/linux/amd64/"
#define SUMS                                                                                       \
    SUM "  " K8S "kubeadm\n" SUM "  " K8S "kubelet\n" SUM "  " K8S "kubectl\n" SUM                 \
        "  github.com/containerd/containerd/releases/download/v2.2.3/"                             \
        "containerd-2.2.3-linux-amd64.tar.gz\n" SUM                                                \
        "  github.com/opencontainers/runc/releases/download/v1.4.3/runc.amd64\n" SUM               \
        " *github.com/containernetworking/plugins/releases/download/v1.9.1/"                       \
        "cni-plugins-linux-amd64-v1.9.1.tgz\n" SUM "  images/a.tar\n" SUM "  images/b.tar\n"
#define MANIFEST                                                                                   \
    "{\"kubernetes\":\"1.36.4\",\"images\":[{\"ref\":\"r/a:1\",\"archive\":\"images/a.tar\","      \
    "\"for\":\"control-plane\"},{\"ref\":\"r/b:1\",\"archive\":\"images/b.tar\"},"                 \
    "{\"ref\":\"r/c:1\",\"archive\":\"images/b.tar\"}]}"

static char dir[] = "/tmp/gpuc-bundle-XXXXXX";

static void put(const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static int set_up(void **state)
{
    return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/manifest.json", dir);
    unlink(path);
    snprintf(path, sizeof(path), "%s/SHA256SUMS", dir);
    unlink(path);
    return rmdir(dir);
}

static void test_recipe_bundle__upstream(void **state)
{
    gpuc__sources s;
    assert_int_equal(gpuc__sources_resolve(&s, "1.36", NULL, NULL), GPUC_OK);
    assert_string_equal(s.kubernetes, "1.36.4");
    assert_string_equal(s.containerd_min, "2.0");
    assert_int_equal(s.bundle_count, 0);
    assert_non_null(strstr(s.files, "kubeadm - dl.k8s.io/release/v1.36.4/bin/linux/@ARCH@/kubeadm "
                                    "dl.k8s.io/release/v1.36.4/bin/linux/@ARCH@/kubeadm.sha256 "));
    assert_non_null(strstr(s.files, "/runc.sha256sum github.com/opencontainers/runc/releases/"
                                    "download/v*/runc.@ARCH@\n"));
    gpuc__sources_clear(&s);
    assert_int_equal(gpuc__sources_resolve(&s, "1.35.1", NULL, NULL), GPUC_OK);
    assert_string_equal(s.kubernetes, "1.35.1");
    assert_string_equal(s.containerd_min, "1.6");
    gpuc__sources_clear(&s);
}

static void test_recipe_bundle__unknown_versions(void **state)
{
    static const char *const wishes[] = {"1.20", "latest", "1.36.4-rc1", "", "1", "v1.36", "9.9.9"};
    for (size_t i = 0; i < sizeof(wishes) / sizeof(*wishes); i++) {
        gpuc__sources s;
        gpuc_error *err = NULL;
        assert_int_equal(gpuc__sources_resolve(&s, wishes[i], NULL, &err), GPUC_EUNSUPPORTED);
        assert_non_null(strstr(gpuc_error_message(err), "1.36"));
        gpuc_error_unref(err);
    }
}

static void test_recipe_bundle__good(void **state)
{
    gpuc__sources s;
    put("manifest.json", MANIFEST);
    put("SHA256SUMS", SUMS);
    assert_int_equal(gpuc__sources_resolve(&s, "1.36", dir, NULL), GPUC_OK);
    assert_string_equal(s.kubernetes, "1.36.4");
    assert_int_equal(s.bundle_count, 8);
    assert_string_equal(s.bundle[3].name, "containerd");
    assert_non_null(strstr(s.bundle[3].path, "containerd-2.2.3-linux-amd64"));
    assert_string_equal(s.bundle[5].name, "cni-plugins");
    assert_string_equal(s.bundle[6].name, "image-control-plane:images/a.tar");
    assert_true(s.bundle[6].control_plane_only);
    assert_string_equal(s.bundle[7].name, "image-node:images/b.tar");
    assert_false(s.bundle[7].control_plane_only);
    assert_non_null(strstr(s.files, "kubectl " SUM " " K8S "kubectl - -\n"));
    gpuc__sources_clear(&s);
}

static void refused(const char *version, const char *manifest, const char *sums, const char *why)
{
    gpuc__sources s;
    gpuc_error *err = NULL;
    put("manifest.json", manifest);
    put("SHA256SUMS", sums);
    assert_int_equal(gpuc__sources_resolve(&s, version, dir, &err), GPUC_EINVAL);
    if (!strstr(gpuc_error_message(err), why))
        fail_msg("\"%s\" is not in: %s", why, gpuc_error_message(err));
    gpuc_error_unref(err);
}

static void test_recipe_bundle__bad(void **state)
{
    gpuc__sources s;
    refused("1.36.3", MANIFEST, SUMS, "has 1.36.4");
    refused("1.35", MANIFEST, SUMS, "has 1.36.4");
    refused("1.36", "[]", SUMS, "manifest.json");
    refused("1.36", "{}", SUMS, "does not say");
    refused("1.36", MANIFEST, "", "does not list dl.k8s.io");
    refused("1.36", MANIFEST, SUM "  " K8S "kubeadm\nshort\n\n", "does not list dl.k8s.io");
    refused("1.36",
            "{\"kubernetes\":\"1.36.4\",\"images\":[{\"archive\":\"../../etc/passwd\"}]}", SUMS,
            "good archive");
    refused("1.36", "{\"kubernetes\":\"1.36.4\",\"images\":[{\"archive\":\"images/c.tar\"}]}", SUMS,
            "does not list images/c.tar");
    assert_int_equal(gpuc__sources_resolve(&s, "1.36", "/nonexistent", NULL), GPUC_ENOTFOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recipe_bundle__upstream),
        cmocka_unit_test(test_recipe_bundle__unknown_versions),
        cmocka_unit_test(test_recipe_bundle__good),
        cmocka_unit_test(test_recipe_bundle__bad),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
