/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of kubeconfigs as people have them: lists of files, in odd ways of writing. */
#ifndef TEST_KUBECONFIGS_H
#define TEST_KUBECONFIGS_H
#include <stddef.h>

#define CLUSTER(name, host) "- name: " name "\n  cluster: {server: 'https://" host "'}\n"
#define CONTEXT(name, cluster, user)                                                               \
    "- {name: " name ", context: {cluster: " cluster ", user: " user "}}\n"

/* What KUBECONFIG names, in its order; text NULL: the file is not there. */
typedef struct file {
    const char *name, *text;
} file;

static const struct {
    const char *what;
    file files[4];
} sets[] = {
    {"one file", {{"a", "clusters:\n" CLUSTER("c", "h") "contexts:\n" CONTEXT("x", "c", "u")
                        "users:\n- {name: u, user: {token: abc}}\ncurrent-context: x\n"}}},
    {"the first that has an entry counts, whole",
     {{"none", NULL},
      {"a", "clusters:\n" CLUSTER("both", "first") "contexts:\n" CONTEXT("x", "both", "u")},
      {"sub/b", "clusters:\n"
                "- name: both\n"
                "  cluster: {server: 'https://second', certificate-authority: ../ca}\n"
                "- name: own\n"
                "  cluster: {server: 'https://own', certificate-authority: ../ca, "
                "proxy-url: 'socks5://p:1'}\n"
                "users:\n- {name: u, user: {tokenFile: ../ca}}\n"
                "contexts:\n" CONTEXT("x", "own", "u") CONTEXT("other", "own", "u")
                "current-context: other\npreferences: {colors: true}\n"}}},
    {"empty files, comments, an empty current-context",
     {{"a", ""},
      {"sub/b", "# nothing\napiVersion: v1\nkind: Config\ncurrent-context: \"\"\nusers: null\n"},
      {"c", "current-context: x\nclusters:\n" CLUSTER("c", "h") "contexts:\n"
            "- context:\n    cluster: c\n    namespace: lab\n  name: x\n"}}},
    {"JSON, and a file that is named twice",
     {{"a", "{\"apiVersion\":\"v1\",\"kind\":\"Config\",\"clusters\":[{\"name\":\"c\",\"cluster\":"
            "{\"server\":\"https://h\",\"insecure-skip-tls-verify\":true,"
            "\"disable-compression\":true}}],\"contexts\":[{\"name\":\"x\",\"context\":"
            "{\"cluster\":\"c\",\"user\":\"u\"}}],\"users\":[{\"name\":\"u\",\"user\":"
            "{\"username\":\"n\",\"password\":\"p \\\"q\\\"\"}}],\"current-context\":\"x\"}"},
      {"a", NULL},
      {"c", "clusters:\n" CLUSTER("c", "later") "current-context: nowhere\n"}}},
    {"users of every kind",
     {{"a", "clusters:\n"
            "- name: c\n"
            "  cluster:\n"
            "    server: https://h:6443/base\n"
            "    tls-server-name: kubernetes\n"
            "    certificate-authority-data: Q0EK\n"
            "    extensions:\n"
            "    - {name: mine, extension: {a: 1}}\n"
            "contexts:\n" CONTEXT("cert", "c", "cert") CONTEXT("as", "c", "as")
            CONTEXT("exec", "c", "exec")},
      {"sub/b", "users:\n"
                "- name: cert\n"
                "  user: {client-certificate: ../cert, client-key-data: S0VZ}\n"
                "- name: as\n"
                "  user:\n"
                "    token: t\n"
                "    as: jane\n"
                "    as-uid: \"42\"\n"
                "    as-groups: [dev, 'ops, all']\n"
                "    as-user-extra: {k: [v, w]}\n"
                "- name: exec\n"
                "  user:\n"
                "    exec:\n"
                "      apiVersion: client.authentication.k8s.io/v1\n"
                "      command: plugin\n"
                "      args: [a, 'b c', \"\"]\n"
                "      env: [{name: A, value: b=c}]\n"
                "      interactiveMode: IfAvailable\n"
                "      provideClusterInfo: true\n"
                "      installHint: |\n"
                "        get it\n"
                "        here\n"}}},
    {"odd ways to write the same",
     {{"a", "\xEF\xBB\xBF---\r\nclusters:\r\n  -\r\n    name: 'c \xC3\xA4'\r\n    cluster:\r\n"
            "      certificate-authority-data: Q0EK\r\n      server: \"https://h\"\r\n"},
      {"sub/b", "kind: Config\napiVersion: v1\nextensions:\n- name: e\n  extension: [1, {b: c}]\n"
                "contexts:\n- name: >-\n    x\n  context: {cluster: \"c \\u00e4\", user: 'u''s'}\n"
                "users:\n- name: u's\n  user:\n    token: |-\n      abc\n"
                "current-context: 'x'\nunknown: {kept: true}\n"}}},
    {"entries of ours in several files",
     {{"a", "clusters:\n" CLUSTER("c", "h") "contexts:\n" CONTEXT("x", "c", "gpu")
            "current-context: x\n"},
      {"sub/b", "# of mine\nclusters:\n" CLUSTER("gpu", "old") "users: []\n"},
      {"c", "users:\n- {name: gpu, user: {token: old}}\ncontexts:\n" CONTEXT("gpu", "gpu", "gpu")
            "preferences: {colors: true}\n"}}},
};
#define SETS (sizeof(sets) / sizeof(sets[0]))
#endif
