/* SPDX-License-Identifier: Apache-2.0 */
/* Is it the right machine? Keys are given, or in known_hosts, or seen before on this connection. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "transport/ssh_internal.h"
#include "transport/ssh_known_hosts.h"
#include "util/alloc.h"
#include "util/error.h"

#define EXPECTED_MAX 256

void gpuc__ssh_hostkey_reset(gpuc__ssh *ssh)
{
    for (size_t i = 0; i < ssh->expected_count; i++)
        gpuc__buf_clear(&ssh->expected[i].blob);
    gpuc__free(ssh->expected);
    ssh->expected = NULL;
    ssh->expected_count = 0;
}

/* Adds a base64 key; GPUC_EINVAL when it is none. */
static int expect(gpuc__ssh *ssh, const char *base64, size_t length, bool revoked, unsigned line)
{
    gpuc__ssh_expected *grown;
    gpuc__buf blob = GPUC__BUF_INIT(64 * 1024);

    if (ssh->expected_count >= EXPECTED_MAX)
        return GPUC_ELIMIT;
    if (!gpuc__base64_get(&blob, base64, length) || blob.length < 16) {
        gpuc__buf_clear(&blob);
        return GPUC_EINVAL;
    }
    grown = gpuc__realloc(ssh->expected, (ssh->expected_count + 1) * sizeof(*grown));
    if (!grown) {
        gpuc__buf_clear(&blob);
        return GPUC_ENOMEM;
    }
    ssh->expected = grown;
    grown[ssh->expected_count++] =
        (gpuc__ssh_expected){.blob = blob, .revoked = revoked, .line = line};
    return GPUC_OK;
}

/* "type base64 [comment]" */
static int expect_line(gpuc__ssh *ssh, const char *text, gpuc_error **err)
{
    const char *base64 = strchr(text, ' ');
    int rc = GPUC_EINVAL;

    if (base64) {
        base64 += strspn(base64, " ");
        rc = expect(ssh, base64, strcspn(base64, " \t\r\n"), false, 0);
    }
    if (rc == GPUC_EINVAL) {
        gpuc__ssh_error(ssh, err, rc, 0, "the given host key \"%.80s\" is not a public key", text);
        gpuc__error_remedy(err, "write it as in /etc/ssh/ssh_host_ed25519_key.pub: ssh-ed25519 "
                                "AAAA...");
    } else if (rc == GPUC_ENOMEM) {
        gpuc__error_nomem(err);
    } else if (rc) {
        gpuc__ssh_error(ssh, err, rc, 0, "more than %d host keys are given", EXPECTED_MAX);
    }
    return rc;
}

static bool expect_known(void *data, const gpuc__known_host *entry)
{
    int rc = expect(data, (const char *)entry->base64.data, entry->base64.length, entry->revoked,
                    entry->line);

    return rc != GPUC_ENOMEM && rc != GPUC_ELIMIT;
}

/* A file that is not there is an empty one, as for ssh. */
static int read_known_hosts(gpuc__ssh *ssh, gpuc_error **err)
{
    int fd = open(ssh->known_hosts, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK), rc = GPUC_OK;
    char *text = NULL;
    struct stat st;
    size_t length = 0;
    ssize_t n;

    if (fd < 0)
        return errno == ENOENT ? GPUC_OK
                               : gpuc__error_errno(err, errno, "%s", ssh->known_hosts);
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > GPUC__KNOWN_HOSTS_MAX) {
        rc = gpuc__error_set(err, GPUC_ELIMIT, GPUC_DOMAIN_SSH,
                             "%s: not a file, or larger than %d MiB", ssh->known_hosts,
                             GPUC__KNOWN_HOSTS_MAX >> 20);
        goto done;
    }
    text = gpuc__malloc((size_t)st.st_size + 1);
    if (!text) {
        rc = gpuc__error_nomem(err);
        goto done;
    }
    while (length < (size_t)st.st_size &&
           (n = read(fd, text + length, (size_t)st.st_size - length)) > 0)
        length += (size_t)n;
    gpuc__known_hosts_find(text, length, ssh->host, ssh->port, expect_known, ssh);
done:
    gpuc__free(text);
    close(fd);
    return rc;
}

static const struct {
    const char *type, *algorithms;
} key_types[] = {
    {"ssh-ed25519", "ssh-ed25519"},
    {"ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256"},
    {"ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384"},
    {"ecdsa-sha2-nistp521", "ecdsa-sha2-nistp521"},
    {"ssh-rsa", "rsa-sha2-512,rsa-sha2-256"}, /* never with SHA-1 */
};

static gpuc__span blob_type(const void *blob, size_t length)
{
    gpuc__wire wire = gpuc__wire_of(blob, length);

    return gpuc__wire_string(&wire);
}

static bool expects_type(const gpuc__ssh *ssh, const char *type)
{
    for (size_t i = 0; i < ssh->expected_count; i++) {
        const gpuc__buf *blob = &ssh->expected[i].blob;

        if (!ssh->expected[i].revoked && gpuc__span_is(blob_type(blob->data, blob->length), type))
            return true;
    }
    return false;
}

/* A server has keys of several types and sends the one we prefer: prefer what we can check. */
static void set_preference(gpuc__ssh *ssh)
{
    gpuc__buf names = GPUC__BUF_INIT(1024);

    for (int known = 1; known >= 0; known--) {
        for (size_t i = 0; i < sizeof(key_types) / sizeof(key_types[0]); i++) {
            if (expects_type(ssh, key_types[i].type) == (known == 1))
                gpuc__buf_printf(&names, "%s%s", names.length ? "," : "", key_types[i].algorithms);
        }
    }
    gpuc__ssh_prefer(ssh->link->session, LIBSSH2_METHOD_HOSTKEY, gpuc__buf_text(&names));
    gpuc__buf_clear(&names);
}

int gpuc__ssh_hostkey_prepare(gpuc__ssh *ssh, gpuc_error **err)
{
    int rc = GPUC_OK;

    gpuc__ssh_hostkey_reset(ssh);
    for (size_t i = 0; !rc && ssh->host_keys[i]; i++)
        rc = expect_line(ssh, ssh->host_keys[i], err);
    if (!rc && !ssh->host_keys[0] && ssh->known_hosts)
        rc = read_known_hosts(ssh, err);
    if (!rc && !ssh->expected_count && ssh->accepted_key)
        rc = expect_line(ssh, ssh->accepted_key, err);
    if (!rc)
        set_preference(ssh);
    return rc;
}

/* "ssh-ed25519 SHA256:… (line 3 of /path)" for each expected key */
static char *describe_expected(const gpuc__ssh *ssh)
{
    gpuc__buf text = GPUC__BUF_INIT(8 * 1024);

    for (size_t i = 0; i < ssh->expected_count; i++) {
        const gpuc__ssh_expected *e = &ssh->expected[i];
        gpuc__span type = blob_type(e->blob.data, e->blob.length);
        GPUC__AUTOFREE char *print = gpuc__ssh_fingerprint(e->blob.data, e->blob.length);

        if (e->revoked)
            continue;
        gpuc__buf_printf(&text, "%s%.*s %s", text.length ? ", " : "",
                         type.length > 64 ? 64 : (int)type.length, type.data, print ? print : "?");
        if (e->line)
            gpuc__buf_printf(&text, " (line %u of %s)", e->line, ssh->known_hosts);
    }
    return gpuc__buf_take(&text);
}

enum verdict { ACCEPTED, UNKNOWN, CHANGED, REVOKED };

static enum verdict judge(const gpuc__ssh *ssh, const char *blob, size_t length)
{
    enum verdict verdict = UNKNOWN;

    for (size_t i = 0; i < ssh->expected_count; i++) {
        const gpuc__ssh_expected *e = &ssh->expected[i];
        bool same = e->blob.length == length && memcmp(e->blob.data, blob, length) == 0;

        if (same && e->revoked)
            return REVOKED;
        if (same)
            verdict = ACCEPTED;
        else if (!e->revoked && verdict == UNKNOWN)
            verdict = CHANGED;
    }
    return verdict;
}

static void refuse(gpuc__ssh *ssh, enum verdict verdict, const char *line, const char *print,
                   gpuc_error **err)
{
    GPUC__AUTOFREE char *expected = describe_expected(ssh);
    int type = (int)strcspn(line, " ");

    if (verdict == REVOKED) {
        gpuc__ssh_error(ssh, err, GPUC_EHOSTKEY, 0,
                        "the machine offers the host key %.*s %s, which %s marks as revoked", type,
                        line, print, ssh->known_hosts);
        gpuc__error_remedy(err, "do not connect; give the machine new host keys from its console");
    } else if (verdict == CHANGED) {
        gpuc__ssh_error(ssh, err, GPUC_EHOSTKEY, 0,
                        "the machine offers the host key %.*s %s, expected was %s", type, line,
                        print, expected ? expected : "another");
        gpuc__error_remedy(err,
                           "someone may be in between, or the machine was installed anew: compare "
                           "with \"ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub\" on its "
                           "console; if it is right, replace the expected key by \"%s\"",
                           line);
    } else {
        gpuc__ssh_error(ssh, err, GPUC_EHOSTKEY, 0,
                        "the machine offers the host key %.*s %s, expected was none: the host is "
                        "not known (%s%s)", type, line, print,
                        ssh->known_hosts ? "not in " : "no key is given and no known_hosts file",
                        ssh->known_hosts ? ssh->known_hosts : "");
        gpuc__error_remedy(err, "compare with \"ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub\" "
                                "on the machine's console; if it is right, give \"%s\" as its host "
                                "key", line);
    }
}

gpuc__ssh_next gpuc__ssh_step_hostkey(gpuc__ssh *ssh, gpuc_error **err)
{
    size_t length = 0;
    int type;
    const char *blob = libssh2_session_hostkey(ssh->link->session, &length, &type);
    char *line = blob ? gpuc__ssh_key_line(blob, length) : NULL;
    GPUC__AUTOFREE char *print = blob ? gpuc__ssh_fingerprint(blob, length) : NULL;
    enum verdict verdict;

    if (!line || !print) {
        gpuc__free(line);
        gpuc__ssh_error(ssh, err, GPUC_EPROTO, 0, "the server sent no host key");
        return GPUC__SSH_FAIL;
    }
    verdict = judge(ssh, blob, length);
    if (verdict == ACCEPTED || (verdict == UNKNOWN && ssh->trust_first_use)) {
        if (verdict == UNKNOWN) {
            ssh->trusted_first_use = true;
            gpuc__log(ssh->context, GPUC_LOG_WARN, "ssh", "%s: host key %s accepted unseen",
                      ssh->label, print);
        }
        gpuc__free(ssh->accepted_key);
        ssh->accepted_key = line;
        gpuc__ssh_hostkey_reset(ssh);
        gpuc__ssh_set_state(ssh, GPUC__SSH_AUTH);
        return GPUC__SSH_ON;
    }
    refuse(ssh, verdict, line, print, err);
    gpuc__free(line);
    return GPUC__SSH_FAIL;
}
