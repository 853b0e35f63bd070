/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP requests: libcurl multi on the context's loop. Callbacks run on the loop, never inside the
 * call that takes them, exactly once. */
#ifndef GPUC__HTTP_H
#define GPUC__HTTP_H
#include <gpucluster.h>
#include <stdbool.h>

typedef struct gpuc__http gpuc__http;         /* a connection pool with shared settings */
/* Valid until its done callback has returned. */
typedef struct gpuc__http_request gpuc__http_request;

typedef struct gpuc__http_config {
    const char *base_url;     /* "http://lxd" or "https://name-unique-per-cluster:6443" */
    const char *unix_socket;  /* NULL: TCP */
    /* Gives a connected descriptor for each new connection (an SSH tunnel), which is then curl's to
     * close; -1 on failure. NULL: curl connects itself. */
    int (*connect)(void *data);
    void *connect_data;
    const char *ca_pem, *cert_pem, *key_pem; /* TLS; NULL: system CAs, no client certificate */
    const char *tls_server_name;             /* name checked in the certificate; NULL: URL's host */
    const char *bearer_token;                /* NULL: none; never logged */
    const char *machine;                     /* named in errors; may be NULL */
    bool direct;                             /* never through a proxy of the environment */
    const char *proxy_url;   /* always through this one; http, https, socks5. May hold a password */
    bool any_certificate;    /* the server's is not checked: only where a person has asked for it */
    int domain;                              /* GPUC_DOMAIN of errors; 0: HTTP */
} gpuc__http_config;

int gpuc__http_new(gpuc__http **out, gpuc_context *context, const gpuc__http_config *config,
                   gpuc_error **err);
gpuc__http *gpuc__http_ref(gpuc__http *http);
void gpuc__http_unref(gpuc__http *http); /* requests under way keep it */

typedef struct gpuc__http_args {
    const char *method;        /* "GET" … */
    const char *path;          /* "/1.0/instances?recursion=1", appended to the base */
    const char *const *headers; /* "Name: value", NULL-terminated; may be NULL */
    const char *body;          /* copied; NULL: none */
    size_t body_length;
    const char *body_file;     /* or the body is this local file */
    size_t response_max;       /* 0: 8 MiB; more is GPUC_ELIMIT */
    int timeout_ms;            /* 0: 60000; -1: none (a stream; then idle_ms rules) */
    bool compressed;           /* accepts a gzip answer; response_max bounds what comes out of it */
    bool once;                 /* on a new connection: of one that was used before, and breaks,
                                * curl sends the request a second time */
    int idle_ms;               /* no byte for so long is GPUC_ETIMEDOUT; 0: no rule */
    bool secret; /* body and answer are overwritten before their memory is freed */
    /* With `chunk` set, a 2xx body is given as it comes and not kept; return false to end the
     * request with GPUC_ECANCELLED. */
    bool (*chunk)(void *data, const char *bytes, size_t length);
    /* status 0 when there was no answer. error (consumed) is set when there was no full answer; a
     * status of 400 and above is not an error here. body is borrowed, NUL-terminated. */
    void (*done)(void *data, int status, const char *body, size_t length, gpuc_error *error);
    /* With `connected` set nothing is sent: it tells that the connection stands (TLS and proxies
     * included), whose bytes are then the caller's to move. timeout_ms is for the connecting; done
     * comes only when that failed, or by cancel. */
    void (*connected)(void *data, gpuc__http_request *request);
    void *data;
} gpuc__http_args;

/* NULL without memory: done does not come then. Any other failure is told by done. */
gpuc__http_request *gpuc__http_send(gpuc__http *http, const gpuc__http_args *args);
/* A response header of the request, inside done only; borrowed, NULL if absent. */
const char *gpuc__http_header(gpuc__http_request *request, const char *name);
/* The n-th (from 0) of a header that may come more than once. */
const char *gpuc__http_header_at(gpuc__http_request *request, const char *name, size_t n);
/* The request now being reported by done; for gpuc__http_header there. */
gpuc__http_request *gpuc__http_current(gpuc__http *http);
void gpuc__http_cancel(gpuc__http_request *request);
/* Ends it at once: done does not come. Not inside `chunk`. */
void gpuc__http_drop(gpuc__http_request *request);

/* The bytes of a connection (args.connected) and its socket, to be watched by the caller. GPUC_OK
 * with *moved (of read: 0 at the end of the stream), GPUC__HTTP_AGAIN when none can be moved now, or
 * an error. Read until AGAIN: TLS may hold more than the socket shows. */
#define GPUC__HTTP_AGAIN 1
int gpuc__http_socket(gpuc__http_request *request);
int gpuc__http_read(size_t *moved, gpuc__http_request *request, void *bytes, size_t length,
                    gpuc_error **err);
int gpuc__http_write(size_t *moved, gpuc__http_request *request, const void *bytes, size_t length,
                     gpuc_error **err);

/* Text percent-encoded for a path segment or query value: new string; NULL without memory. */
char *gpuc__http_escape(const char *text);
#endif
