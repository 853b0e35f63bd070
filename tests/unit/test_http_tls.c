/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP over TLS with a throw-away authority: who is trusted, who is refused, and over whose
 * connection. */
#include "support/http_client.h"

#include <signal.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

typedef struct identity {
    EVP_PKEY *key;
    X509 *cert;
    char *cert_pem, *key_pem;
} identity;

static identity authority, stranger, server_id, client_id;
static SSL_CTX *server_tls;

static char *pem_text(BIO *bio)
{
    char *data = NULL;
    long length = BIO_get_mem_data(bio, &data);
    char *text = gpuc__strndup(data, (size_t)length);

    BIO_free(bio);
    return text;
}

static void extend(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX v3;
    X509_EXTENSION *extension;

    X509V3_set_ctx(&v3, issuer, cert, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &v3, nid, value);
    assert_non_null(extension);
    X509_add_ext(cert, extension, -1);
    X509_EXTENSION_free(extension);
}

/* issuer NULL: an authority of its own. */
static void identity_make(identity *id, const identity *issuer, const char *name)
{
    char alt[64];
    BIO *bio;

    id->key = EVP_EC_gen("P-256");
    id->cert = X509_new();
    X509_set_version(id->cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(id->cert), issuer ? 2 : 1);
    X509_gmtime_adj(X509_getm_notBefore(id->cert), -60);
    X509_gmtime_adj(X509_getm_notAfter(id->cert), 3600);
    X509_set_pubkey(id->cert, id->key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(id->cert), "CN", MBSTRING_ASC,
                               (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(id->cert, X509_get_subject_name(issuer ? issuer->cert : id->cert));
    extend(id->cert, issuer ? issuer->cert : id->cert, NID_basic_constraints,
           issuer ? "critical,CA:FALSE" : "critical,CA:TRUE");
    snprintf(alt, sizeof(alt), "DNS:%s", name);
    extend(id->cert, issuer ? issuer->cert : id->cert, NID_subject_alt_name, alt);
    assert_true(X509_sign(id->cert, issuer ? issuer->key : id->key, EVP_sha256()) > 0);
    bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, id->cert);
    id->cert_pem = pem_text(bio);
    bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PKCS8PrivateKey(bio, id->key, NULL, NULL, 0, NULL, NULL);
    id->key_pem = pem_text(bio);
}

static void identity_drop(identity *id)
{
    EVP_PKEY_free(id->key);
    X509_free(id->cert);
    gpuc__free(id->cert_pem);
    gpuc__free(id->key_pem);
}

/* Answers with the name in the client's certificate and the bearer token's presence. */
static void serve_tls(http_server *s, int fd)
{
    char request[4096], answer[256], who[64];
    SSL *tls = SSL_new(server_tls);
    X509 *peer;
    int n;

    SSL_set_fd(tls, fd);
    if (SSL_accept(tls) != 1) { /* the reason is on its way: closing at once could overtake it */
        shutdown(fd, SHUT_WR);
        http_server_hang(fd);
        goto done;
    }
    while ((n = SSL_read(tls, request, sizeof(request) - 1)) > 0) {
        request[n] = '\0';
        snprintf(who, sizeof(who), "nobody");
        peer = SSL_get1_peer_certificate(tls);
        if (peer)
            X509_NAME_get_text_by_NID(X509_get_subject_name(peer), NID_commonName, who,
                                      sizeof(who));
        X509_free(peer);
        n = snprintf(answer, sizeof(answer), "%s%s", who,
                     strstr(request, "Authorization: Bearer s3cret") ? " with token" : "");
        n = snprintf(request, sizeof(request), "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", n,
                     answer);
        SSL_write(tls, request, n);
    }
done:
    ERR_clear_error();
    SSL_free(tls);
}

static int setup(void **state)
{
    identity_make(&authority, NULL, "authority");
    identity_make(&stranger, NULL, "stranger");
    identity_make(&server_id, &authority, "kubernetes");
    identity_make(&client_id, &authority, "admin");
    server_tls = SSL_CTX_new(TLS_server_method());
    SSL_CTX_use_certificate(server_tls, server_id.cert);
    SSL_CTX_use_PrivateKey(server_tls, server_id.key);
    X509_STORE_add_cert(SSL_CTX_get_cert_store(server_tls), authority.cert);
    return 0;
}

static int teardown(void **state)
{
    SSL_CTX_free(server_tls);
    identity_drop(&authority);
    identity_drop(&stranger);
    identity_drop(&server_id);
    identity_drop(&client_id);
    return 0;
}

/* One request with this configuration to the server, whose port is filled in. */
static void ask(outcome *o, int verify, gpuc__http_config config, int *accepted)
{
    char url[64];

    SSL_CTX_set_verify(server_tls, verify, NULL);
    begin(serve_tls);
    gpuc__http_unref(http);
    http = NULL;
    snprintf(url, sizeof(url), "https://127.0.0.1:%d", server.port);
    config.base_url = url;
    config.machine = "m1";
    assert_int_equal(gpuc__http_new(&http, context, &config, NULL), GPUC_OK);
    for (int i = 0; i < 2; i++) {
        drop(o);
        fetch(o, (gpuc__http_args){0});
    }
    *accepted = server.accepted;
    finish();
}

static void test_http_tls__who_is_trusted(void **state)
{
    const struct {
        const char *ca, *name;
        int code, domain;
    } cases[] = {
        {authority.cert_pem, "kubernetes", 0, 0},
        {authority.cert_pem, "other-name", GPUC_EAUTH, GPUC_DOMAIN_TLS},
        {authority.cert_pem, NULL, GPUC_EAUTH, GPUC_DOMAIN_TLS},
        {stranger.cert_pem, "kubernetes", GPUC_EAUTH, GPUC_DOMAIN_TLS},
        {NULL, "kubernetes", GPUC_EAUTH, GPUC_DOMAIN_TLS},
        {"not PEM", "kubernetes", GPUC_EINVAL, GPUC_DOMAIN_TLS},
    };
    outcome o = {0};
    int accepted;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ask(&o, SSL_VERIFY_NONE,
            (gpuc__http_config){.ca_pem = cases[i].ca, .tls_server_name = cases[i].name},
            &accepted);
        if (o.code != cases[i].code)
            print_error("case %zu: %s\n", i, o.message ? o.message : "no error");
        assert_int_equal(o.code, cases[i].code);
        assert_int_equal(o.domain, cases[i].domain);
        assert_int_equal(o.retryable, 0);
        assert_int_equal(o.status, cases[i].code ? 0 : 200);
        if (!cases[i].code)
            assert_int_equal(accepted, 1);
        drop(&o);
    }
}

static void test_http_tls__anyone_is_trusted_when_asked(void **state)
{
    outcome o = {0};
    int accepted;

    ask(&o, SSL_VERIFY_NONE, (gpuc__http_config){.any_certificate = true}, &accepted);
    assert_int_equal(o.status, 200);
    drop(&o);
}

static void test_http_tls__client_certificate_and_token(void **state)
{
    gpuc__http_config config = {.ca_pem = authority.cert_pem, .tls_server_name = "kubernetes"};
    int strict = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, accepted;
    outcome o = {0};

    ask(&o, strict, config, &accepted);
    assert_int_equal(o.code, GPUC_EAUTH);
    assert_int_equal(o.domain, GPUC_DOMAIN_TLS);
    assert_int_equal(o.retryable, 0);
    drop(&o);
    config.cert_pem = client_id.cert_pem;
    config.key_pem = client_id.key_pem;
    config.bearer_token = "s3cret";
    ask(&o, strict, config, &accepted);
    assert_string_equal(o.body, "admin with token");
    drop(&o);
    config.key_pem = stranger.key_pem; /* not that certificate's */
    ask(&o, strict, config, &accepted);
    assert_int_equal(o.code, GPUC_EINVAL);
    assert_null(strstr(o.message, "s3cret"));
    drop(&o);
}

static pthread_t tunnel_thread;

static int tunnel(void *data)
{
    static struct http_server_connection end;
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
        return -1;
    end = (struct http_server_connection){&server, ends[1]};
    pthread_create(&tunnel_thread, NULL, http_server_connection_run, &end);
    return ends[0];
}

static void test_http_tls__over_a_tunnel(void **state)
{
    outcome o = {0};
    int accepted;

    ask(&o, SSL_VERIFY_NONE,
        (gpuc__http_config){.ca_pem = authority.cert_pem, .tls_server_name = "kubernetes",
                            .connect = tunnel},
        &accepted);
    pthread_join(tunnel_thread, NULL);
    assert_int_equal(o.status, 200);
    assert_string_equal(o.body, "nobody");
    assert_int_equal(accepted, 0);
    drop(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_http_tls__who_is_trusted),
        cmocka_unit_test(test_http_tls__anyone_is_trusted_when_asked),
        cmocka_unit_test(test_http_tls__client_certificate_and_token),
        cmocka_unit_test(test_http_tls__over_a_tunnel),
    };

    signal(SIGPIPE, SIG_IGN); /* the server's: OpenSSL writes with write(2) */
    return cmocka_run_group_tests(tests, setup, teardown);
}
