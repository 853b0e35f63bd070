/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates verify through OpenSSL's own checks; secrets have the shape kubeadm wants. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "kube/pki.h"
#include "util/alloc.h"

static X509 *read_cert(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);

    BIO_free(bio);
    assert_non_null(cert);
    return cert;
}

static int verify(const char *ca_pem, const char *cert_pem, int purpose, time_t at)
{
    X509 *ca = read_cert(ca_pem), *cert = read_cert(cert_pem);
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    int result;

    assert_int_equal(X509_STORE_add_cert(store, ca), 1);
    assert_int_equal(X509_STORE_CTX_init(ctx, store, cert, NULL), 1);
    X509_STORE_CTX_set_purpose(ctx, purpose);
    X509_STORE_CTX_set_flags(ctx, X509_V_FLAG_X509_STRICT);
    if (at)
        X509_STORE_CTX_set_time(ctx, 0, at);
    result = X509_verify_cert(ctx) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(ctx);
    X509_STORE_CTX_free(ctx);
    X509_STORE_free(store);
    X509_free(ca);
    X509_free(cert);
    return result;
}

static void test_pki__ca_signs_client(void **state)
{
    static const char *const groups[] = {"kubeadm:cluster-admins", "second", NULL};
    gpuc__pki_pair ca = {0}, other = {0}, client = {0};
    gpuc_error *err = NULL;
    char subject[256];
    X509 *cert;
    time_t now = time(NULL);

    assert_int_equal(gpuc__pki_ca_new(&ca, &err), GPUC_OK);
    assert_int_equal(gpuc__pki_ca_new(&other, &err), GPUC_OK);
    assert_int_equal(gpuc__pki_client_new(&client, &ca, "gpucluster", groups, &err), GPUC_OK);
    assert_null(err);
    assert_non_null(strstr(client.key_pem, "-----BEGIN PRIVATE KEY-----"));

    assert_int_equal(verify(ca.cert_pem, client.cert_pem, X509_PURPOSE_SSL_CLIENT, 0), X509_V_OK);
    assert_int_not_equal(verify(ca.cert_pem, client.cert_pem, X509_PURPOSE_SSL_SERVER, 0),
                         X509_V_OK);
    assert_int_not_equal(verify(other.cert_pem, client.cert_pem, X509_PURPOSE_SSL_CLIENT, 0),
                         X509_V_OK);
    assert_int_equal(verify(ca.cert_pem, client.cert_pem, X509_PURPOSE_SSL_CLIENT, now - 240),
                     X509_V_OK);
    assert_int_equal(
        verify(ca.cert_pem, client.cert_pem, X509_PURPOSE_SSL_CLIENT, now + 366L * 86400),
        X509_V_ERR_CERT_HAS_EXPIRED);

    cert = read_cert(client.cert_pem);
    X509_NAME_oneline(X509_get_subject_name(cert), subject, sizeof(subject));
    assert_string_equal(subject, "/O=kubeadm:cluster-admins/O=second/CN=gpucluster");
    X509_free(cert);
    cert = read_cert(ca.cert_pem);
    assert_int_equal(X509_check_ca(cert), 1);
    X509_NAME_oneline(X509_get_subject_name(cert), subject, sizeof(subject));
    assert_string_equal(subject, "/CN=kubernetes");
    X509_free(cert);
    gpuc__pki_pair_clear(&ca);
    gpuc__pki_pair_clear(&other);
    gpuc__pki_pair_clear(&client);
    assert_null(ca.key_pem);
}

/* A certificate whose hash was computed with `openssl x509 -pubkey | openssl pkey -pubin -outform
 * der | sha256sum`. */
static const char known_cert[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBgTCCASegAwIBAgIUEe8k6qo+J8EWbidHpP3tGX+AcPAwCgYIKoZIzj0EAwIw\n"
    "FTETMBEGA1UEAwwKa3ViZXJuZXRlczAgFw0yNjExMjMyMzI3NDhaGA8yMTI2MTAz\n"
    "MDIzMjc0OFowFTETMBEGA1UEAwwKa3ViZXJuZXRlczBZMBMGByqGSM49AgEGCCqG\n"
    "SM49AwEHA0IABN4sopQJASgFMZEj3ug1q4CsR8W01ExOFlh4MO/zg3owUKqn33DY\n"
    "lU87TeklEyJhgmr1jg8cv87vEhukRqmbjHWjUzBRMB0GA1UdDgQWBBSX9Npa30LS\n"
    "ZqCJ7vELZuhis2MbyzAfBgNVHSMEGDAWgBSX9Npa30LSZqCJ7vELZuhis2MbyzAP\n"
    "BgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0gAMEUCIQCR9nDToQBCu68wAVnY\n"
    "Zrqokc9QzzGt3AfQVnIHy6cRJQIgY6yx3SL0xl60CzlAx8qVROgJL3E+M6rlC/16\n"
    "s+uVGsk=\n"
    "-----END CERTIFICATE-----\n";

static void test_pki__ca_hash_is_openssls(void **state)
{
    gpuc_error *err = NULL;
    char *hash = NULL;

    assert_int_equal(gpuc__pki_ca_hash(&hash, known_cert, &err), GPUC_OK);
    assert_string_equal(hash, "sha256:1765bd8c7917b66f0b3f2af72311db9b176e2aa315386cb953a33e642880cadb");
    gpuc__free(hash);
    hash = NULL;
    assert_int_equal(gpuc__pki_ca_hash(&hash, "no certificate", &err), GPUC_EINVAL);
    assert_null(hash);
    assert_non_null(gpuc_error_remedy(err));
    gpuc_error_unref(err);
}

static void test_pki__not_after_is_a_year_and_ten(void **state)
{
    gpuc__pki_pair ca = {0}, client = {0};
    int64_t end = 0;
    time_t now = time(NULL);

    assert_int_equal(gpuc__pki_ca_new(&ca, NULL), GPUC_OK);
    assert_int_equal(gpuc__pki_client_new(&client, &ca, "x", NULL, NULL), GPUC_OK);
    assert_int_equal(gpuc__pki_not_after(&end, client.cert_pem, NULL), GPUC_OK);
    assert_in_range(end - now, 365L * 86400 - 60, 365L * 86400 + 60);
    assert_int_equal(gpuc__pki_not_after(&end, ca.cert_pem, NULL), GPUC_OK);
    assert_in_range(end - now, 3650L * 86400, 3653L * 86400);
    gpuc__pki_pair_clear(&ca);
    gpuc__pki_pair_clear(&client);
}

static void test_pki__refuses_foreign_and_encrypted_keys(void **state)
{
    gpuc__pki_pair a = {0}, b = {0}, mixed, client = {0};
    gpuc_error *err = NULL;

    assert_int_equal(gpuc__pki_ca_new(&a, NULL), GPUC_OK);
    assert_int_equal(gpuc__pki_ca_new(&b, NULL), GPUC_OK);
    mixed = (gpuc__pki_pair){a.cert_pem, b.key_pem};
    assert_int_equal(gpuc__pki_client_new(&client, &mixed, "x", NULL, &err), GPUC_EINVAL);
    assert_non_null(strstr(gpuc_error_message(err), "does not belong"));
    gpuc_error_unref(err);
    err = NULL;
    mixed.key_pem = (char *)"-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n"
                            "-----END ENCRYPTED PRIVATE KEY-----\n";
    assert_int_equal(gpuc__pki_client_new(&client, &mixed, "x", NULL, &err), GPUC_EINVAL);
    assert_null(client.cert_pem);
    gpuc_error_unref(err);
    gpuc__pki_pair_clear(&a);
    gpuc__pki_pair_clear(&b);
}

static void test_pki__secrets_have_kubeadms_shape(void **state)
{
    char *token = NULL, *again = NULL, *key = NULL;

    assert_int_equal(gpuc__pki_token_new(&token, NULL), GPUC_OK);
    assert_int_equal(gpuc__pki_token_new(&again, NULL), GPUC_OK);
    assert_int_equal(strlen(token), 23);
    assert_int_equal(token[6], '.');
    assert_int_equal(strspn(token, "abcdefghijklmnopqrstuvwxyz0123456789"), 6);
    assert_int_equal(strspn(token + 7, "abcdefghijklmnopqrstuvwxyz0123456789"), 16);
    assert_string_not_equal(token, again);
    assert_int_equal(gpuc__pki_certificate_key_new(&key, NULL), GPUC_OK);
    assert_int_equal(strlen(key), 64);
    assert_int_equal(strspn(key, "0123456789abcdef"), 64);
    gpuc__free_secret(token);
    gpuc__free_secret(again);
    gpuc__free_secret(key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pki__ca_signs_client),
        cmocka_unit_test(test_pki__ca_hash_is_openssls),
        cmocka_unit_test(test_pki__not_after_is_a_year_and_ten),
        cmocka_unit_test(test_pki__refuses_foreign_and_encrypted_keys),
        cmocka_unit_test(test_pki__secrets_have_kubeadms_shape),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
