/* SPDX-License-Identifier: Apache-2.0 */
/* A WebSocket over TLS: all that TLS holds back is read, and a stranger's certificate is refused. */
#include "support/ws_client.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <signal.h>

#define NAME "relay.test"
#define SIZE (900 * 1024)

static SSL_CTX *tls_context;
static char pem[4096];

/* A certificate that is its own authority. */
static void make_certificate(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    X509_EXTENSION *names = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "DNS:" NAME);
    BIO *bio = BIO_new(BIO_s_mem());
    int length;

    X509_set_version(cert, 2);
    X509_gmtime_adj(X509_getm_notBefore(cert), -60);
    X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    X509_set_pubkey(cert, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
                               (const unsigned char *)NAME, -1, -1, 0);
    X509_set_issuer_name(cert, X509_get_subject_name(cert));
    X509_add_ext(cert, names, -1);
    assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
    tls_context = SSL_CTX_new(TLS_server_method());
    SSL_CTX_use_certificate(tls_context, cert);
    SSL_CTX_use_PrivateKey(tls_context, key);
    PEM_write_bio_X509(bio, cert);
    length = BIO_read(bio, pem, sizeof(pem) - 1);
    assert_true(length > 0);
    pem[length] = '\0';
    BIO_free(bio);
    X509_EXTENSION_free(names);
    X509_free(cert);
    EVP_PKEY_free(key);
}

/* Bytes that came out of TLS, for a server that knows nothing of it, and back. */
static void pass(SSL *tls, int fd, int plain)
{
    struct pollfd ends[2] = {{fd, POLLIN, 0}, {plain, POLLIN, 0}};
    char block[16384];

    for (;;) {
        bool waiting = SSL_pending(tls) > 0;
        ssize_t n = 1;

        poll(ends, 2, waiting ? 0 : 10000);
        if (waiting || ends[0].revents) {
            n = SSL_read(tls, block, sizeof(block));
            if (n > 0)
                http_server_write(plain, block, (size_t)n);
        }
        if (n > 0 && ends[1].revents) {
            n = recv(plain, block, sizeof(block), 0);
            if (n > 0)
                n = SSL_write(tls, block, (int)n);
        }
        if (n <= 0)
            return;
    }
}

static void *serve_plain(void *data)
{
    int fd = *(int *)data;
    http_server_request r;
    static ws_frame f;

    if (ws_server_open(fd, &r, NULL)) {
        while (ws_server_read(fd, &f) && f.opcode != 8)
            ws_server_binary(fd, f.bytes, f.length);
        ws_server_close(fd, 1000, "");
    }
    free(r.body);
    shutdown(fd, SHUT_RDWR);
    return NULL;
}

static void serve_tls(http_server *s, int fd)
{
    SSL *tls = SSL_new(tls_context);
    pthread_t thread;
    int pair[2];

    SSL_set_fd(tls, fd);
    if (SSL_accept(tls) == 1 && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0) {
        pthread_create(&thread, NULL, serve_plain, &pair[1]);
        pass(tls, fd, pair[0]);
        shutdown(pair[0], SHUT_RDWR);
        pthread_join(thread, NULL);
        close(pair[0]);
        close(pair[1]);
    }
    ERR_clear_error();
    SSL_free(tls);
}

static void start_tls(gpuc__http_config config)
{
    static char url[64];

    begin(serve_tls);
    gpuc__http_unref(http);
    snprintf(url, sizeof(url), "https://127.0.0.1:%d", server.port);
    config.base_url = url;
    config.tls_server_name = NAME;
    assert_int_equal(gpuc__http_new(&http, context, &config, NULL), GPUC_OK);
}

static void test_websocket_tls__reads_all_that_tls_holds(void **state)
{
    static char block[60000];
    size_t sent = 0;
    talk t = {0};

    start_tls((gpuc__http_config){.ca_pem = pem});
    start(&t, (gpuc__websocket_args){.queue_max = 128 * 1024});
    for (uint64_t stop = gpuc__clock_ms() + 30000; t.got.length < SIZE && gpuc__clock_ms() < stop;) {
        if (sent < SIZE && gpuc__websocket_queued(t.ws) < 64 * 1024 &&
            gpuc__websocket_send(t.ws, block, sizeof(block)))
            sent += sizeof(block);
        assert_int_equal(gpuc_context_run(context, 5, NULL), GPUC_OK);
        assert_int_equal(t.closed, 0);
    }
    assert_true(t.got.length >= SIZE);
    gpuc__websocket_close(t.ws, 1000);
    wait_closed(&t);
    assert_int_equal(t.error, 0);
    assert_int_equal(t.code, 1000);
    clear(&t);
    finish();
}

static void test_websocket_tls__refuses_a_stranger(void **state)
{
    talk t = {0};

    start_tls((gpuc__http_config){0}); /* nobody vouches for it */
    run(&t, (gpuc__websocket_args){0});
    assert_int_equal(t.error, GPUC_EAUTH);
    assert_int_equal(t.opened, 0);
    clear(&t);
    finish();
}

static int setup(void **state)
{
    signal(SIGPIPE, SIG_IGN); /* the server's: OpenSSL writes with write(2) */
    make_certificate();
    return 0;
}

static int teardown(void **state)
{
    SSL_CTX_free(tls_context);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_websocket_tls__reads_all_that_tls_holds),
        cmocka_unit_test(test_websocket_tls__refuses_a_stranger),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
