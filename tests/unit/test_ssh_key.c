/* SPDX-License-Identifier: Apache-2.0 */
/* Private keys: formats made by the real ssh-keygen, damage, refusals. */
#include <openssl/evp.h>

#include "support/sshd.h"
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "transport/ssh_key_internal.h"
#include "util/alloc.h"

static test_sshd place; /* only its directory and its key making are used */

static int set_up(void **state)
{
    snprintf(place.dir, sizeof(place.dir), "/tmp/gpuc-sshd.XXXXXX");
    return mkdtemp(place.dir) ? 0 : -1;
}

static int tear_down(void **state)
{
    sshd_stop(&place);
    return 0;
}

static bool have_keygen(void)
{
    return run_program((const char *const[]){"ssh-keygen", "-?", NULL}) != 127;
}

/* ssh-keygen with three more arguments (NULL ends). */
static void keygen(const char *name, const char *type, const char *bits, const char *format,
                   const char *passphrase)
{
    const char *argv[] = {"ssh-keygen", "-q", "-t", type, "-b", bits, "-m", format,
                          "-N", passphrase, "-f", sshd_path(&place, name), NULL};

    assert_int_equal(run_program(argv), 0);
}

/* What our key signs must verify with the public half as OpenSSL reads it. */
static void check_signature(const gpuc__ssh_key *key)
{
    static const char *const names[] = {"rsa-sha2-256", "rsa-sha2-512", "ssh-rsa"};
    gpuc__buf signature = GPUC__BUF_INIT(4096);

    for (size_t i = 0; i < 3; i++) {
        gpuc__span algorithm = {(const unsigned char *)names[i], strlen(names[i])};

        gpuc__buf_reset(&signature);
        assert_true(
            gpuc__ssh_key_sign(key, algorithm, (const unsigned char *)"text", 4, &signature));
        assert_true(signature.length >= 64);
    }
    if (gpuc__ssh_key_is_rsa(key))
        assert_false(gpuc__ssh_key_sign(key, (gpuc__span){(const unsigned char *)"other", 5},
                                        (const unsigned char *)"text", 4, &signature));
    gpuc__buf_clear(&signature);
}

static void test_ssh_key__every_format_of_ssh_keygen(void **state)
{
    static const char *const kinds[][3] = {
        {"ed25519", "256", "RFC4716"}, {"ecdsa", "256", "RFC4716"}, {"ecdsa", "384", "RFC4716"},
        {"ecdsa", "521", "RFC4716"},   {"rsa", "2048", "RFC4716"},  {"ecdsa", "256", "PEM"},
        {"rsa", "2048", "PEM"},        {"ecdsa", "384", "PKCS8"},   {"rsa", "2048", "PKCS8"},
    };
    char name[32], line[4096];

    if (!have_keygen())
        skip();
    for (size_t i = 0; i < 2 * sizeof(kinds) / sizeof(kinds[0]); i++) {
        const char *const *kind = kinds[i / 2];
        const char *passphrase = i % 2 ? "secret words" : "";
        gpuc__ssh_key *key = NULL;
        gpuc_error *err = NULL;

        snprintf(name, sizeof(name), "key%zu", i);
        keygen(name, kind[0], kind[1], kind[2], passphrase);
        public_line(&place, name, line, sizeof(line));
        if (*passphrase) {
            assert_int_equal(gpuc__ssh_key_load(&key, sshd_path(&place, name), NULL, &err),
                             GPUC_EAUTH);
            assert_non_null(strstr(gpuc_error_message(err), "no passphrase was given"));
            err = gpuc_error_unref(err);
            assert_int_equal(gpuc__ssh_key_load(&key, sshd_path(&place, name), "not it", &err),
                             GPUC_EAUTH);
            assert_non_null(strstr(gpuc_error_message(err), "does not open"));
            err = gpuc_error_unref(err);
        }
        assert_null(key);
        assert_int_equal(gpuc__ssh_key_load(&key, sshd_path(&place, name), passphrase, NULL), 0);
        assert_string_equal(gpuc__ssh_key_public(key), line);
        check_signature(key);
        gpuc__ssh_key_unref(gpuc__ssh_key_ref(key));
        gpuc__ssh_key_unref(key);
    }
}

static void test_ssh_key__generated_keys_are_read_by_ssh_keygen(void **state)
{
    char *text = NULL, *line = NULL;
    gpuc__ssh_key *key = NULL;

    assert_int_equal(gpuc__ssh_key_generate(&text, &line, "made@here", NULL), GPUC_OK);
    assert_non_null(strstr(line, " made@here"));
    assert_int_equal(gpuc__ssh_key_parse(&key, text, strlen(text), NULL, NULL, NULL), GPUC_OK);
    assert_memory_equal(gpuc__ssh_key_public(key), line, strlen(gpuc__ssh_key_public(key)));
    gpuc__ssh_key_unref(key);
    if (have_keygen()) {
        const char *path = sshd_path(&place, "generated");

        write_file(path, text);
        chmod(path, 0600);
        assert_int_equal(run_program((const char *const[]){"ssh-keygen", "-y", "-P", "", "-f", path,
                                                           NULL}), 0);
    }
    gpuc__free_secret(text);
    gpuc__free(line);
}

static void test_ssh_key__others_may_not_read_it(void **state)
{
    const char *path = sshd_path(&place, "open");
    char *text = NULL, *line = NULL;
    gpuc__ssh_key *key = NULL;
    gpuc_error *err = NULL;

    assert_int_equal(gpuc__ssh_key_generate(&text, &line, NULL, NULL), GPUC_OK);
    write_file(path, text);
    chmod(path, 0640);
    assert_int_equal(gpuc__ssh_key_load(&key, path, NULL, &err), GPUC_EPERM);
    assert_non_null(strstr(gpuc_error_remedy(err), "chmod 600"));
    err = gpuc_error_unref(err);
    chmod(path, 0400);
    assert_int_equal(gpuc__ssh_key_load(&key, path, NULL, NULL), GPUC_OK);
    gpuc__ssh_key_unref(key);
    gpuc__free_secret(text);
    gpuc__free(line);
}

static void test_ssh_key__what_is_no_key(void **state)
{
    static const struct {
        const char *text;
        int code;
    } cases[] = {
        {"", GPUC_EINVAL},
        {"ssh-ed25519 AAAA public half", GPUC_EINVAL},
        {"-----BEGIN OPENSSH PRIVATE KEY-----", GPUC_EINVAL},
        {"-----BEGIN OPENSSH PRIVATE KEY-----\n-----END OPENSSH PRIVATE KEY-----\n", GPUC_EINVAL},
        {"-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl!\n-----END OPENSSH PRIVATE KEY-----\n",
         GPUC_EINVAL},
        {"-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n", GPUC_EINVAL},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        gpuc__ssh_key *key = NULL;
        gpuc_error *err = NULL;

        assert_int_equal(gpuc__ssh_key_parse(&key, cases[i].text, strlen(cases[i].text), NULL,
                                             "the-name", &err),
                         cases[i].code);
        assert_non_null(strstr(gpuc_error_message(err), "the-name"));
        assert_non_null(gpuc_error_remedy(err));
        assert_null(key);
        gpuc_error_unref(err);
    }
}

static void test_ssh_key__paths(void **state)
{
    gpuc__ssh_key *key = NULL;
    gpuc_error *err = NULL;

    assert_int_equal(gpuc__ssh_key_load(&key, "/nonexistent/key", NULL, &err), GPUC_ENOTFOUND);
    err = gpuc_error_unref(err);
    assert_int_equal(gpuc__ssh_key_load(&key, "/tmp", NULL, &err), GPUC_EINVAL);
    err = gpuc_error_unref(err);
}

/* A key that is cut short is never a key; with a changed byte it may be one, but does no harm. */
static void test_ssh_key__damaged_at_every_byte(void **state)
{
    char *text = NULL, *line = NULL;
    size_t length;

    assert_int_equal(gpuc__ssh_key_generate(&text, &line, "c", NULL), GPUC_OK);
    length = strlen(text);
    for (size_t cut = 0; cut < length - 1; cut++) {
        gpuc__ssh_key *key = NULL;

        /* only the newline behind the END line may be missing */
        assert_int_not_equal(gpuc__ssh_key_parse(&key, text, cut, NULL, NULL, NULL), GPUC_OK);
        assert_null(key);
    }
    for (size_t i = 0; i < length; i++) {
        gpuc__ssh_key *key = NULL;
        char old = text[i];

        text[i] = old == 'A' ? 'B' : 'A';
        if (gpuc__ssh_key_parse(&key, text, length, NULL, NULL, NULL) == GPUC_OK)
            assert_non_null(gpuc__ssh_key_public(key));
        gpuc__ssh_key_unref(key);
        text[i] = old;
    }
    gpuc__free_secret(text);
    gpuc__free(line);
}

/* A file may ask for as many rounds of bcrypt as it likes. */
static void test_ssh_key__costly_derivations_are_refused(void **state)
{
    gpuc__buf file = GPUC__BUF_INIT(4096), options = GPUC__BUF_INIT(64);
    gpuc__buf text = GPUC__BUF_INIT(8192);
    gpuc__ssh_key *key = NULL;
    char zeros[64] = {0};

    gpuc__wire_put_string(&options, "0123456789abcdef", 16);
    gpuc__wire_put_u32(&options, 0x7fffffff);
    gpuc__buf_add(&file, "openssh-key-v1", 15);
    gpuc__wire_put_text(&file, "aes256-ctr");
    gpuc__wire_put_text(&file, "bcrypt");
    gpuc__wire_put_string(&file, options.data, options.length);
    gpuc__wire_put_u32(&file, 1);
    gpuc__wire_put_text(&file, "");
    gpuc__wire_put_string(&file, zeros, sizeof(zeros));
    gpuc__buf_puts(&text, "-----BEGIN OPENSSH PRIVATE KEY-----\n");
    gpuc__base64_put(&text, file.data, file.length);
    gpuc__buf_puts(&text, "\n-----END OPENSSH PRIVATE KEY-----\n");
    assert_int_equal(gpuc__ssh_key_parse(&key, text.data, text.length, "x", NULL, NULL),
                     GPUC_EINVAL);
    gpuc__buf_clear(&file);
    gpuc__buf_clear(&options);
    gpuc__buf_clear(&text);
}

static void test_ssh_key__base64_and_fingerprint(void **state)
{
    static const char *const bad[] = {"A", "AB=C", "A===", "!", "AAAAA", "AAAA=A"};
    gpuc__buf out = GPUC__BUF_INIT(1024), again = GPUC__BUF_INIT(1024);
    char data[64];
    char *print;

    for (size_t n = 0; n < sizeof(data); n++) {
        data[n] = (char)(n * 37);
        gpuc__buf_reset(&out);
        gpuc__buf_reset(&again);
        assert_true(gpuc__base64_put(&out, data, n));
        assert_true(gpuc__base64_get(&again, gpuc__buf_text(&out), out.length));
        assert_int_equal(again.length, n);
        if (n)
            assert_memory_equal(again.data, data, n);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        gpuc__buf_reset(&again);
        assert_false(gpuc__base64_get(&again, bad[i], strlen(bad[i])));
    }
    print = gpuc__ssh_fingerprint("", 0);
    assert_string_equal(print, "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU");
    gpuc__free(print);
    gpuc__buf_clear(&out);
    gpuc__buf_clear(&again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ssh_key__every_format_of_ssh_keygen),
        cmocka_unit_test(test_ssh_key__generated_keys_are_read_by_ssh_keygen),
        cmocka_unit_test(test_ssh_key__others_may_not_read_it),
        cmocka_unit_test(test_ssh_key__what_is_no_key),
        cmocka_unit_test(test_ssh_key__paths),
        cmocka_unit_test(test_ssh_key__damaged_at_every_byte),
        cmocka_unit_test(test_ssh_key__costly_derivations_are_refused),
        cmocka_unit_test(test_ssh_key__base64_and_fingerprint),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
